-- Roles, databases and rights. Run by psql as often as you like.
\set ON_ERROR_STOP on
SET client_min_messages TO warning;

SELECT 'CREATE ROLE "admin"' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'admin') \gexec
ALTER ROLE "admin" LOGIN PASSWORD NULL SUPERUSER CREATEDB CREATEROLE;

SELECT 'CREATE ROLE "odoo"' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'odoo') \gexec
ALTER ROLE "odoo" LOGIN PASSWORD NULL NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
SELECT 'CREATE DATABASE "odoo_martel_14" OWNER "odoo"' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'odoo_martel_14') \gexec
ALTER DATABASE "odoo_martel_14" OWNER TO "odoo";
REVOKE ALL ON DATABASE "odoo_martel_14" FROM PUBLIC;

-- Nobody but these connects to what is PostgreSQL's own; Odoo looks up there which databases are its.
REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;
GRANT CONNECT ON DATABASE postgres TO "odoo";

SELECT 'CREATE ROLE "pgadmin"' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'pgadmin') \gexec
ALTER ROLE "pgadmin" LOGIN PASSWORD NULL NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
SELECT 'CREATE DATABASE "pgadmin" OWNER "pgadmin"' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'pgadmin') \gexec
ALTER DATABASE "pgadmin" OWNER TO "pgadmin";
REVOKE ALL ON DATABASE "pgadmin" FROM PUBLIC;

-- PgAdmin reads and writes Odoo's data, and changes nothing of how it is kept.
GRANT CONNECT ON DATABASE "odoo_martel_14" TO "pgadmin";
\connect "odoo_martel_14"
SET client_min_messages TO warning;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO "pgadmin";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO "pgadmin";
GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO "pgadmin";
ALTER DEFAULT PRIVILEGES FOR ROLE "odoo" IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO "pgadmin";
ALTER DEFAULT PRIVILEGES FOR ROLE "odoo" IN SCHEMA public GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO "pgadmin";
