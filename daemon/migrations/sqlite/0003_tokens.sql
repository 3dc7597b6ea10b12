-- Bearer tokens. Of what one says there is only the SHA-256. They hang on the owner's identity, and nobody is deleted
-- while one is left: a name carries none over.
CREATE TABLE tokens (
    uuid         TEXT    PRIMARY KEY,
    hash         TEXT    NOT NULL UNIQUE,
    owner_uuid   TEXT    NOT NULL REFERENCES users (uuid),
    name         TEXT    NOT NULL,
    scopes       TEXT    NOT NULL,
    networks     TEXT    NOT NULL,
    expires_at   INTEGER,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    last_source  TEXT,
    revision     INTEGER NOT NULL,
    UNIQUE (owner_uuid, name)
);

-- What remains of a token: enough to say why it is refused, and nothing that could let it in again.
CREATE TABLE revoked_tokens (
    hash       TEXT    PRIMARY KEY,
    owner_uuid TEXT    NOT NULL,
    owner      TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    revision   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX revoked_tokens_by_owner ON revoked_tokens (owner_uuid, revision);

-- The change feed takes one more kind. A CHECK cannot be changed here: the table is made anew.
CREATE TABLE changes_with_tokens (
    change_id INTEGER PRIMARY KEY AUTOINCREMENT,
    revision  INTEGER NOT NULL,
    kind      TEXT    NOT NULL CHECK (kind IN ('user', 'group', 'member', 'token')),
    one       TEXT    NOT NULL,
    other     TEXT
);
INSERT INTO changes_with_tokens SELECT change_id, revision, kind, one, other FROM changes;
DROP TABLE changes;
ALTER TABLE changes_with_tokens RENAME TO changes;
CREATE INDEX changes_by_revision ON changes (revision);
