-- Who users are to OpenID providers. The rows of a deleted user stay, so that the same person is not created again.
CREATE TABLE identities (
    issuer     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    owner_uuid TEXT NOT NULL,
    PRIMARY KEY (issuer, subject)
) WITHOUT ROWID;
CREATE INDEX identities_by_owner ON identities (owner_uuid);

-- What is kept for somebody who is about to log in for the first time. Its numbers are given to nobody else meanwhile, and
-- stand in ids once a user of this uuid has come of it.
CREATE TABLE reservations (
    uuid       TEXT    PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    uid        INTEGER NOT NULL,
    gid        INTEGER NOT NULL,
    home       TEXT    NOT NULL,
    shell      TEXT    NOT NULL,
    expires_at INTEGER NOT NULL
);
