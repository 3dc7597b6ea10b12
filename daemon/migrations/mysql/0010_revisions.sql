CREATE TABLE IF NOT EXISTS revisions (
    revision     BIGINT PRIMARY KEY,
    stamp        BIGINT NOT NULL,
    committed_at BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
