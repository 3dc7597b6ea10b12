CREATE TABLE IF NOT EXISTS `groups` (
    uuid       VARCHAR(64) PRIMARY KEY,
    name       VARCHAR(64) NOT NULL UNIQUE,
    gid        BIGINT      NOT NULL UNIQUE,
    private_of VARCHAR(64) UNIQUE,
    revision   BIGINT      NOT NULL,
    FOREIGN KEY (private_of) REFERENCES users (uuid)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
