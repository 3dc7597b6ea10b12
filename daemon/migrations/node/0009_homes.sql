-- Whose homes were made or found on this node, by user: a tombstone does not say where that was.
CREATE TABLE homes (
    user_uuid TEXT    PRIMARY KEY,
    name      TEXT    NOT NULL,
    uid       INTEGER NOT NULL,
    home      TEXT    NOT NULL
) WITHOUT ROWID;
