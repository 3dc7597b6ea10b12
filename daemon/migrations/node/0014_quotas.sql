-- What is said on this node of how much users and groups may use. It hangs on who they are, and not on their names; an id is
-- kept to find them by, and is never given to another. `at` is a number, or NULL for no limit.
CREATE TABLE quota_policies (
    owner      TEXT    NOT NULL,
    of         TEXT    NOT NULL CHECK (of IN ('user', 'group')),
    id         INTEGER NOT NULL,
    filesystem TEXT    NOT NULL,
    field      TEXT    NOT NULL,
    at         INTEGER,
    PRIMARY KEY (owner, filesystem, field)
) STRICT, WITHOUT ROWID;

-- Users whose limits were set here, so that they are taken back when the users are deleted, and what their slices were
-- limited to (JSON).
CREATE TABLE quota_held (
    uid   INTEGER PRIMARY KEY,
    owner TEXT    NOT NULL,
    slice TEXT
) STRICT;
