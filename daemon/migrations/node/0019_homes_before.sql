-- Every home that somebody had on this node, and not the last one alone: homes move, and the old ones are put away, too.
CREATE TABLE homes_of_users (
    user_uuid TEXT    NOT NULL,
    home      TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    uid       INTEGER NOT NULL,
    PRIMARY KEY (user_uuid, home)
) WITHOUT ROWID;
INSERT INTO homes_of_users SELECT user_uuid, home, name, uid FROM homes;
DROP TABLE homes;
ALTER TABLE homes_of_users RENAME TO homes;
