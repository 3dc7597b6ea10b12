-- Sessions that were open on this node when podyd last ran, each the process that opened it: a pid and, since pids are given
-- again, when it started, in clock ticks since the boot.
CREATE TABLE sessions (
    id        INTEGER PRIMARY KEY,
    boot      TEXT    NOT NULL,
    user_uuid TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    uid       INTEGER NOT NULL,
    service   TEXT    NOT NULL,
    tty       TEXT,
    rhost     TEXT,
    began_at  INTEGER NOT NULL,
    pid       INTEGER NOT NULL,
    started   INTEGER NOT NULL
) STRICT;
