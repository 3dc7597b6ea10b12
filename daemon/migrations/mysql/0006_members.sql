CREATE TABLE IF NOT EXISTS members (
    group_uuid VARCHAR(64) NOT NULL,
    user_uuid  VARCHAR(64) NOT NULL,
    origin     VARCHAR(16) NOT NULL CHECK (origin IN ('admin', 'claims')),
    PRIMARY KEY (group_uuid, user_uuid),
    KEY members_by_user (user_uuid),
    FOREIGN KEY (group_uuid) REFERENCES `groups` (uuid),
    FOREIGN KEY (user_uuid) REFERENCES users (uuid)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
