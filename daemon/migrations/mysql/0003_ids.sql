CREATE TABLE IF NOT EXISTS ids (
    kind  VARCHAR(8)  NOT NULL CHECK (kind IN ('uid', 'gid')),
    id    BIGINT      NOT NULL,
    owner VARCHAR(64) NOT NULL,
    PRIMARY KEY (kind, id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
