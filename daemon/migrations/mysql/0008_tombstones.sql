CREATE TABLE IF NOT EXISTS tombstones (
    uuid     VARCHAR(64) NOT NULL,
    kind     VARCHAR(8)  NOT NULL CHECK (kind IN ('user', 'group')),
    name     VARCHAR(64) NOT NULL,
    id       BIGINT      NOT NULL,
    revision BIGINT      NOT NULL,
    PRIMARY KEY (uuid, name),
    KEY tombstones_by_name (kind, name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
