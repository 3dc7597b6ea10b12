CREATE TABLE IF NOT EXISTS reservations (
    uuid       VARCHAR(64)  PRIMARY KEY,
    name       VARCHAR(64)  NOT NULL UNIQUE,
    uid        BIGINT       NOT NULL,
    gid        BIGINT       NOT NULL,
    home       VARCHAR(512) NOT NULL,
    shell      VARCHAR(512) NOT NULL,
    expires_at BIGINT       NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
