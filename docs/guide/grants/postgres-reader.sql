-- A node that serves accounts and logins and changes nothing. Run by the server's administrator in the database pody, after
-- the first podyctl db migrate.
CREATE ROLE pody_reader LOGIN PASSWORD 'reader-secret';
GRANT SELECT ON ALL TABLES IN SCHEMA public TO pody_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE pody_owner IN SCHEMA public GRANT SELECT ON TABLES TO pody_reader;
