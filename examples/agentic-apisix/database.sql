-- The platform's own database. psql executes it as a superuser, with the variables "password" and "operator".
-- A second execution changes nothing but the password.
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SELECT 'CREATE ROLE executive_migrations NOLOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'executive_migrations') \gexec
SELECT 'CREATE ROLE executive_application LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'executive_application') \gexec
ALTER ROLE executive_application PASSWORD :'password';
-- The service of the second model has a login of its own, which the operator lets become one tenant's role at a time.
SELECT 'CREATE ROLE executive_separate LOGIN NOINHERIT' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'executive_separate') \gexec
ALTER ROLE executive_separate PASSWORD :'password';
-- The operator acts for the tables' owner.
GRANT executive_migrations TO :"operator";
SELECT format('CREATE DATABASE executive TEMPLATE template0 OWNER %I', :'operator')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'executive') \gexec
-- Or every login of the server could connect.
REVOKE ALL ON DATABASE executive FROM PUBLIC;
GRANT CONNECT ON DATABASE executive TO executive_application;
\connect executive
REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO executive_migrations;
GRANT USAGE ON SCHEMA public TO executive_application;
SET ROLE executive_migrations;
CREATE TABLE IF NOT EXISTS requests (
  id bigint GENERATED ALWAYS AS IDENTITY,
  tenant_id uuid NOT NULL DEFAULT nullif(current_setting('app.current_tenant_id', true), '')::uuid,
  text text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON requests TO executive_application;
