-- When a password was set: whoever remembers that it was right knows by this that it is another one now.
ALTER TABLE credentials ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;

-- Every revision that the change feed reaches back to. The stamp is drawn at random: a follower whose revision has another
-- one here, as after a restored backup, or is not here any more, starts over. committed_at is in milliseconds since 1970, by
-- the clock of the node that wrote it.
CREATE TABLE revisions (
    revision     INTEGER PRIMARY KEY,
    stamp        INTEGER NOT NULL,
    committed_at INTEGER NOT NULL
);
INSERT INTO revisions SELECT revision, random() >> 1, 0 FROM directory;
