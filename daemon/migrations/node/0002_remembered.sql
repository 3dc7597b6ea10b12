-- Passwords that were right here while a shared directory answered, for when it does not: our own hashes of them, in which
-- revision the password was set, and when it was last right (seconds since 1970).
CREATE TABLE remembered (
    user_uuid         TEXT    PRIMARY KEY,
    hash              TEXT    NOT NULL,
    password_revision INTEGER NOT NULL,
    proven_at         INTEGER NOT NULL
) WITHOUT ROWID;
