-- Who makes the tables and brings them up to date (podyctl db migrate). Run by the server's administrator.
CREATE DATABASE pody CHARACTER SET utf8mb4;
CREATE USER 'pody_owner'@'%' IDENTIFIED BY 'owner-secret';
GRANT CREATE, ALTER, DROP, INDEX, REFERENCES, SELECT, INSERT, UPDATE, DELETE ON pody.* TO 'pody_owner'@'%';
