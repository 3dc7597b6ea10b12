-- DDL commits by itself here, so that each step is one statement that may be repeated. What each table is for is said in
-- sqlite/0001_directory.sql. utf8mb4_bin compares by bytes.
CREATE TABLE IF NOT EXISTS directory (
    one      BIGINT      PRIMARY KEY CHECK (one = 1),
    epoch    VARCHAR(64) NOT NULL,
    revision BIGINT      NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
