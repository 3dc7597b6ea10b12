CREATE TABLE IF NOT EXISTS identities (
    issuer     VARCHAR(512) NOT NULL,
    subject    VARCHAR(255) NOT NULL,
    owner_uuid VARCHAR(64)  NOT NULL,
    PRIMARY KEY (issuer, subject),
    KEY identities_by_owner (owner_uuid)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
