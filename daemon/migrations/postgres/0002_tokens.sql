-- Bearer tokens; sqlite/0003_tokens.sql says what each table is for.
CREATE TABLE tokens (
    uuid         TEXT   COLLATE "C" PRIMARY KEY,
    hash         TEXT   COLLATE "C" NOT NULL UNIQUE,
    owner_uuid   TEXT   COLLATE "C" NOT NULL REFERENCES users (uuid),
    name         TEXT   COLLATE "C" NOT NULL,
    scopes       TEXT   NOT NULL,
    networks     TEXT   NOT NULL,
    expires_at   BIGINT,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT,
    last_source  TEXT,
    revision     BIGINT NOT NULL,
    UNIQUE (owner_uuid, name)
);

CREATE TABLE revoked_tokens (
    hash       TEXT   COLLATE "C" PRIMARY KEY,
    owner_uuid TEXT   COLLATE "C" NOT NULL,
    owner      TEXT   COLLATE "C" NOT NULL,
    name       TEXT   COLLATE "C" NOT NULL,
    revision   BIGINT NOT NULL
);
CREATE INDEX revoked_tokens_by_owner ON revoked_tokens (owner_uuid, revision);
