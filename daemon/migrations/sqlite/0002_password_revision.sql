-- When a password was set: whoever remembers that it was right knows by this that it is another one now.
ALTER TABLE credentials ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
