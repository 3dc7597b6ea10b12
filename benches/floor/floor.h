/* The file that libnss_floor maps: a header, hash tables of indices into arrays of offsets, and the records. Written by
 * benches/src/floor.rs. Numbers are the machine's own. */
#include <stdint.h>

struct table {
    uint64_t slots;  /* where the slots begin */
    uint64_t mask;   /* their number, a power of two, minus one */
};

struct slot {
    uint32_t tag;    /* the name's hash, or the id */
    uint32_t record; /* where the record begins, in units of 8 bytes; 0 is an empty slot */
};

struct header {
    char magic[8];
    struct table user_names, user_ids, group_names, group_ids;
};

struct user {
    uint32_t uid, gid;
    uint16_t gecos, home, shell, length; /* offsets into text */
    uint32_t groups;                     /* how many; they stand behind the text, at a multiple of 4 */
    char text[];                         /* name NUL * NUL gecos NUL home NUL shell NUL */
};

struct group_record {
    uint32_t gid, members, length, name_length; /* length: of all the text; name_length: with its NUL */
    uint32_t offsets[];                         /* of the members, from the text's start; then the text */
};
