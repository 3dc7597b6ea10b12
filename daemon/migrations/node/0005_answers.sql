-- What was answered over HTTP to requests with an Idempotency-Key, for whoever asks again since the answer was lost on its
-- way: by the SHA-256 of the token's label and the key. No body: it held a secret, or was too long.
CREATE TABLE answers (
    key         BLOB    PRIMARY KEY,
    request     BLOB    NOT NULL,
    status      INTEGER NOT NULL,
    etag        TEXT,
    location    TEXT,
    body        BLOB,
    answered_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX answers_by_age ON answers (answered_at);
