-- The directory. Names of tables and columns are the same on every backend; ARCHITECTURE.md says what each
-- rule is for.

-- One row. The epoch tells this database from every other, and from itself restored out of a backup that was
-- made new; the revision is given under this row's lock.
CREATE TABLE directory (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    epoch    TEXT    NOT NULL,
    revision INTEGER NOT NULL
);
INSERT INTO directory VALUES (1, lower(hex(randomblob(16))), 0);

-- Every number that ever was a uid or gid. Rows are never deleted: the primary key is what keeps an id from
-- being given twice. Uids and gids are two spaces, since real passwd files use one number for both, for
-- different owners.
CREATE TABLE ids (
    kind  TEXT    NOT NULL CHECK (kind IN ('uid', 'gid')),
    id    INTEGER NOT NULL,
    owner TEXT    NOT NULL,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;

CREATE TABLE users (
    uuid       TEXT    PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    uid        INTEGER NOT NULL UNIQUE,
    gid        INTEGER NOT NULL,
    gecos      TEXT    NOT NULL,
    email      TEXT,
    home       TEXT    NOT NULL,
    shell      TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('active', 'locked')),
    expires_at INTEGER,
    is_admin   INTEGER NOT NULL,
    origin     TEXT    NOT NULL,
    revision   INTEGER NOT NULL
);
CREATE INDEX users_by_gid ON users (gid);

CREATE TABLE groups (
    uuid       TEXT    PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    gid        INTEGER NOT NULL UNIQUE,
    private_of TEXT    UNIQUE REFERENCES users (uuid) DEFERRABLE INITIALLY DEFERRED,
    revision   INTEGER NOT NULL
);

CREATE TABLE members (
    group_uuid TEXT NOT NULL REFERENCES groups (uuid),
    user_uuid  TEXT NOT NULL REFERENCES users (uuid),
    origin     TEXT NOT NULL CHECK (origin IN ('admin', 'claims')),
    PRIMARY KEY (group_uuid, user_uuid)
) WITHOUT ROWID;
CREATE INDEX members_by_user ON members (user_uuid);

CREATE TABLE credentials (
    user_uuid TEXT PRIMARY KEY REFERENCES users (uuid),
    hash      TEXT NOT NULL
);

-- What remains of the deleted and of names that were given up: enough to take them out of what others hold,
-- and to keep the names back.
CREATE TABLE tombstones (
    uuid     TEXT    NOT NULL,
    kind     TEXT    NOT NULL CHECK (kind IN ('user', 'group')),
    name     TEXT    NOT NULL,
    id       INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (uuid, name)
);
CREATE INDEX tombstones_by_name ON tombstones (kind, name);

-- The change feed: what was touched in which revision. `one` is the user or group, `other` the user of a
-- membership.
CREATE TABLE changes (
    change_id INTEGER PRIMARY KEY AUTOINCREMENT,
    revision  INTEGER NOT NULL,
    kind      TEXT    NOT NULL CHECK (kind IN ('user', 'group', 'member')),
    one       TEXT    NOT NULL,
    other     TEXT
);
CREATE INDEX changes_by_revision ON changes (revision);
