CREATE TABLE IF NOT EXISTS credentials (
    user_uuid VARCHAR(64)  PRIMARY KEY,
    hash      VARCHAR(512) NOT NULL,
    revision  BIGINT       NOT NULL,
    FOREIGN KEY (user_uuid) REFERENCES users (uuid)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
