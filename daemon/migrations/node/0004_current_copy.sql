-- When the copy of a shared directory that answers for passwords and tokens was last known to be current, in seconds since
-- 1970.
CREATE TABLE current_copy (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    at  INTEGER NOT NULL
);
