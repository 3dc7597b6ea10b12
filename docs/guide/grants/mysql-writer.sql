-- A node on which users are managed. Run by the server's administrator.
CREATE USER 'pody_writer'@'%' IDENTIFIED BY 'writer-secret';
GRANT SELECT, INSERT, UPDATE, DELETE ON pody.* TO 'pody_writer'@'%';
