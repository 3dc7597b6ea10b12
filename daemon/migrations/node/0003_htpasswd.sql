-- What was taken from the htpasswd file of this node, by user: the SHA-256 of the hash in the user's line, the revision in
-- which it became the password, and whether it was the file that locked the user.
CREATE TABLE htpasswd (
    user_uuid         TEXT    PRIMARY KEY,
    digest            BLOB    NOT NULL,
    password_revision INTEGER NOT NULL,
    locked            INTEGER NOT NULL
) WITHOUT ROWID;
