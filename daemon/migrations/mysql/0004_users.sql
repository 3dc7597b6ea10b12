CREATE TABLE IF NOT EXISTS users (
    uuid       VARCHAR(64)  PRIMARY KEY,
    name       VARCHAR(64)  NOT NULL UNIQUE,
    uid        BIGINT       NOT NULL UNIQUE,
    gid        BIGINT       NOT NULL,
    gecos      VARCHAR(512) NOT NULL,
    email      VARCHAR(512),
    home       VARCHAR(512) NOT NULL,
    shell      VARCHAR(512) NOT NULL,
    state      VARCHAR(8)   NOT NULL CHECK (state IN ('active', 'locked')),
    expires_at BIGINT,
    is_admin   BIGINT       NOT NULL,
    origin     VARCHAR(16)  NOT NULL,
    revision   BIGINT       NOT NULL,
    KEY users_by_gid (gid)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
