-- What belongs to this machine alone and never travels.

-- Failed logins in a row, by user (`user:NAME`) and by source (`source:ADDRESS`, `local`), so that a restart is no way
-- around a lockout.
CREATE TABLE failures (
    subject      TEXT    PRIMARY KEY,
    failures     INTEGER NOT NULL,
    last_failure INTEGER NOT NULL,
    locked_until INTEGER
) WITHOUT ROWID;
CREATE INDEX failures_by_age ON failures (last_failure);
