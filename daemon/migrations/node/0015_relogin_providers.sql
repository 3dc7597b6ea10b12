-- At which provider, and as which client there, somebody was approved who was given a code: a code of another one is good no more.
-- Of those that were given before this, nobody knows.
DELETE FROM relogin_codes;
ALTER TABLE relogin_codes ADD COLUMN provider TEXT NOT NULL DEFAULT '';
