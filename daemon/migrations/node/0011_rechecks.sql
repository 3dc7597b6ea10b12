-- What asks the OpenID provider again whether somebody is still welcome: refresh tokens, sealed with a key that is not in this
-- file, whose they are, when they are used next (seconds since 1970), and whether the answer to the last use was lost.
CREATE TABLE refresh_tokens (
    user_uuid      TEXT    PRIMARY KEY,
    issuer         TEXT    NOT NULL,
    subject        TEXT    NOT NULL,
    sealed         BLOB    NOT NULL,
    next_check     INTEGER NOT NULL,
    answer_is_lost INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_tokens_by_check ON refresh_tokens (next_check);

-- Users whom the provider has ended since: they do not come in on this node until it vouches for them again.
CREATE TABLE refused (
    user_uuid TEXT    PRIMARY KEY,
    since     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
