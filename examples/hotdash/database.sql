-- The platform's own database. psql executes it as a superuser, with the variables "password" and "operator".
-- A second execution changes nothing but the password.
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SELECT 'CREATE ROLE hotdash_migrations NOLOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hotdash_migrations') \gexec
SELECT 'CREATE ROLE hotdash_api LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hotdash_api') \gexec
ALTER ROLE hotdash_api PASSWORD :'password';
-- The operator acts for the tables' owner.
GRANT hotdash_migrations TO :"operator";
SELECT format('CREATE DATABASE hotdash TEMPLATE template0 OWNER %I', :'operator')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'hotdash') \gexec
-- Or every login of the server could connect.
REVOKE ALL ON DATABASE hotdash FROM PUBLIC;
GRANT CONNECT ON DATABASE hotdash TO hotdash_api;
\connect hotdash
REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO hotdash_migrations;
GRANT USAGE ON SCHEMA public TO hotdash_api;
SET ROLE hotdash_migrations;
-- "Every table includes tenant_id". The default is the tenant of the transaction.
CREATE TABLE IF NOT EXISTS draft_actions (
  id bigint GENERATED ALWAYS AS IDENTITY,
  tenant_id integer NOT NULL DEFAULT nullif(current_setting('app.current_tenant_id', true), '')::integer,
  text text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON draft_actions TO hotdash_api;
