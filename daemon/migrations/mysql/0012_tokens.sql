CREATE TABLE IF NOT EXISTS tokens (
    uuid         VARCHAR(64)   PRIMARY KEY,
    hash         VARCHAR(64)   NOT NULL UNIQUE,
    owner_uuid   VARCHAR(64)   NOT NULL,
    name         VARCHAR(64)   NOT NULL,
    scopes       VARCHAR(64)   NOT NULL,
    networks     VARCHAR(2048) NOT NULL,
    expires_at   BIGINT,
    created_at   BIGINT        NOT NULL,
    last_used_at BIGINT,
    last_source  VARCHAR(64),
    revision     BIGINT        NOT NULL,
    UNIQUE KEY tokens_by_owner (owner_uuid, name),
    FOREIGN KEY (owner_uuid) REFERENCES users (uuid)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
