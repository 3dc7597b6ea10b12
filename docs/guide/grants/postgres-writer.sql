-- A node on which users are managed. Run by the server's administrator in the database pody, after the first podyctl db migrate.
CREATE ROLE pody_writer LOGIN PASSWORD 'writer-secret';
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO pody_writer;
ALTER DEFAULT PRIVILEGES FOR ROLE pody_owner IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO pody_writer;
-- Ids that were given stay given, and the record of the tables' versions is the owner's.
REVOKE UPDATE, DELETE ON ids FROM pody_writer;
REVOKE INSERT, UPDATE, DELETE ON _sqlx_migrations FROM pody_writer;
