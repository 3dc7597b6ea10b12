CREATE TABLE IF NOT EXISTS changes (
    change_id BIGINT      PRIMARY KEY AUTO_INCREMENT,
    revision  BIGINT      NOT NULL,
    kind      VARCHAR(8)  NOT NULL CHECK (kind IN ('user', 'group', 'member', 'token')),
    one       VARCHAR(64) NOT NULL,
    other     VARCHAR(64),
    KEY changes_by_revision (revision)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
