-- The directory. Names of tables and columns are the same on every backend; sqlite/0001_directory.sql says what each is
-- for. COLLATE "C" orders and compares names by their bytes, whatever the database's own collation.

CREATE TABLE directory (
    one      BIGINT PRIMARY KEY CHECK (one = 1),
    epoch    TEXT   NOT NULL,
    revision BIGINT NOT NULL
);
INSERT INTO directory VALUES (1, replace(gen_random_uuid()::text, '-', ''), 0);

CREATE TABLE ids (
    kind  TEXT   NOT NULL CHECK (kind IN ('uid', 'gid')),
    id    BIGINT NOT NULL,
    owner TEXT   NOT NULL,
    PRIMARY KEY (kind, id)
);

CREATE TABLE users (
    uuid       TEXT   COLLATE "C" PRIMARY KEY,
    name       TEXT   COLLATE "C" NOT NULL UNIQUE,
    uid        BIGINT NOT NULL UNIQUE,
    gid        BIGINT NOT NULL,
    gecos      TEXT   NOT NULL,
    email      TEXT,
    home       TEXT   NOT NULL,
    shell      TEXT   NOT NULL,
    state      TEXT   NOT NULL CHECK (state IN ('active', 'locked')),
    expires_at BIGINT,
    is_admin   BIGINT NOT NULL,
    origin     TEXT   NOT NULL,
    revision   BIGINT NOT NULL
);
CREATE INDEX users_by_gid ON users (gid);

CREATE TABLE groups (
    uuid       TEXT   COLLATE "C" PRIMARY KEY,
    name       TEXT   COLLATE "C" NOT NULL UNIQUE,
    gid        BIGINT NOT NULL UNIQUE,
    private_of TEXT   COLLATE "C" UNIQUE REFERENCES users (uuid) DEFERRABLE INITIALLY DEFERRED,
    revision   BIGINT NOT NULL
);

CREATE TABLE members (
    group_uuid TEXT COLLATE "C" NOT NULL REFERENCES groups (uuid),
    user_uuid  TEXT COLLATE "C" NOT NULL REFERENCES users (uuid),
    origin     TEXT NOT NULL CHECK (origin IN ('admin', 'claims')),
    PRIMARY KEY (group_uuid, user_uuid)
);
CREATE INDEX members_by_user ON members (user_uuid);

CREATE TABLE credentials (
    user_uuid TEXT   COLLATE "C" PRIMARY KEY REFERENCES users (uuid),
    hash      TEXT   NOT NULL,
    revision  BIGINT NOT NULL
);

CREATE TABLE tombstones (
    uuid     TEXT   COLLATE "C" NOT NULL,
    kind     TEXT   NOT NULL CHECK (kind IN ('user', 'group')),
    name     TEXT   COLLATE "C" NOT NULL,
    id       BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (uuid, name)
);
CREATE INDEX tombstones_by_name ON tombstones (kind, name);

CREATE TABLE changes (
    change_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    revision  BIGINT NOT NULL,
    kind      TEXT   NOT NULL CHECK (kind IN ('user', 'group', 'member', 'token')),
    one       TEXT   COLLATE "C" NOT NULL,
    other     TEXT   COLLATE "C"
);
CREATE INDEX changes_by_revision ON changes (revision);

-- Tells every node that listens, when the change is committed. Whoever changes the directory, by whatever program, has to
-- give a revision.
CREATE FUNCTION pody_tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('pody', NEW.revision::text);
    RETURN NULL;
END $$;
CREATE TRIGGER pody_tell AFTER UPDATE OF revision ON directory FOR EACH ROW EXECUTE FUNCTION pody_tell();

CREATE TABLE revisions (
    revision     BIGINT PRIMARY KEY,
    stamp        BIGINT NOT NULL,
    committed_at BIGINT NOT NULL
);
INSERT INTO revisions VALUES (0, (random() * 1e18)::bigint, 0);
