-- Identities and reservations; sqlite/0004_identities.sql says what each table is for.
CREATE TABLE identities (
    issuer     TEXT COLLATE "C" NOT NULL,
    subject    TEXT COLLATE "C" NOT NULL,
    owner_uuid TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX identities_by_owner ON identities (owner_uuid);

CREATE TABLE reservations (
    uuid       TEXT   COLLATE "C" PRIMARY KEY,
    name       TEXT   COLLATE "C" NOT NULL UNIQUE,
    uid        BIGINT NOT NULL,
    gid        BIGINT NOT NULL,
    home       TEXT   NOT NULL,
    shell      TEXT   NOT NULL,
    expires_at BIGINT NOT NULL
);
