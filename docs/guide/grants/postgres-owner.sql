-- Who owns the tables and brings them up to date (podyctl db migrate). Run by the server's administrator.
CREATE ROLE pody_owner LOGIN PASSWORD 'owner-secret';
CREATE DATABASE pody OWNER pody_owner TEMPLATE template0 ENCODING 'UTF8';
