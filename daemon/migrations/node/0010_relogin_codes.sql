-- Codes by which people who were approved at the OpenID provider come back to this node for a while: the SHA-256 of user and
-- code, at which revision the user stood then, and when that was (seconds since 1970). Whatever an admin changes about the
-- user since ends the code.
CREATE TABLE relogin_codes (
    digest        BLOB    PRIMARY KEY,
    user_uuid     TEXT    NOT NULL,
    user_revision INTEGER NOT NULL,
    issued_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX relogin_codes_of_user ON relogin_codes (user_uuid, issued_at);
