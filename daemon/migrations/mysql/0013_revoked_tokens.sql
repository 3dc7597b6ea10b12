CREATE TABLE IF NOT EXISTS revoked_tokens (
    hash       VARCHAR(64) PRIMARY KEY,
    owner_uuid VARCHAR(64) NOT NULL,
    owner      VARCHAR(64) NOT NULL,
    name       VARCHAR(64) NOT NULL,
    revision   BIGINT      NOT NULL,
    KEY revoked_tokens_by_owner (owner_uuid, revision)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
