-- What this node has seen of an original Pody. That server gives the ids of deleted users again; here a uid stays with the
-- name that it was first seen with, and these rows are never deleted.
CREATE TABLE pody04_uids (
    uid  INTEGER PRIMARY KEY,
    name TEXT    NOT NULL
) STRICT;

-- Where its users stood when they were last seen, by address: lists have no number there.
CREATE TABLE pody04_positions (
    epoch        TEXT    PRIMARY KEY,
    revision     INTEGER NOT NULL,
    stamp        INTEGER NOT NULL,
    committed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
