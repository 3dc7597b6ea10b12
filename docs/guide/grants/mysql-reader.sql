-- A node that serves accounts and logins and changes nothing. Run by the server's administrator.
CREATE USER 'pody_reader'@'%' IDENTIFIED BY 'reader-secret';
GRANT SELECT ON pody.* TO 'pody_reader'@'%';
