-- The platform's own database. psql executes it as a superuser, with the variables "password" and "operator".
-- A second execution changes nothing but the password.
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SELECT 'CREATE ROLE care_migrations NOLOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'care_migrations') \gexec
SELECT 'CREATE ROLE care_application LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'care_application') \gexec
ALTER ROLE care_application PASSWORD :'password';
-- The operator acts for the tables' owner.
GRANT care_migrations TO :"operator";
SELECT format('CREATE DATABASE care TEMPLATE template0 OWNER %I', :'operator')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'care') \gexec
-- Or every login of the server could connect.
REVOKE ALL ON DATABASE care FROM PUBLIC;
GRANT CONNECT ON DATABASE care TO care_application;
\connect care
REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO care_migrations;
GRANT USAGE ON SCHEMA public TO care_application;
SET ROLE care_migrations;
CREATE TABLE IF NOT EXISTS calls (
  id bigint GENERATED ALWAYS AS IDENTITY,
  tenant_id uuid NOT NULL DEFAULT nullif(current_setting('app.current_tenant_id', true), '')::uuid,
  text text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id)
);
CREATE TABLE IF NOT EXISTS agents (
  id bigint GENERATED ALWAYS AS IDENTITY,
  tenant_id uuid NOT NULL DEFAULT nullif(current_setting('app.current_tenant_id', true), '')::uuid,
  name text NOT NULL,
  type text NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON calls, agents TO care_application;
