-- The two roles of Fingerpost's database: run it as an administrator, connected to that database; it
-- may be repeated. Passwords come afterwards (ALTER ROLE ... PASSWORD): until then nobody comes in.

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'fingerpost_analytics') THEN
    CREATE ROLE fingerpost_analytics LOGIN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'fingerpost_analyst') THEN
    CREATE ROLE fingerpost_analyst LOGIN;
  END IF;
END $$;

-- Folds the log into tables of its own making. Nothing else: no roles, no other database, no files.
ALTER ROLE fingerpost_analytics
  NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 60;
COMMENT ON ROLE fingerpost_analytics IS 'The service that folds the log of Fingerpost into tables.';

-- Reads the schema `fingerpost`. Its limits are defaults of its sessions; what keeps it from writing
-- is that nothing is granted to it but, by the service, the views that it makes.
ALTER ROLE fingerpost_analyst
  NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 30;
ALTER ROLE fingerpost_analyst SET default_transaction_read_only = on;
ALTER ROLE fingerpost_analyst SET statement_timeout = '30s';
ALTER ROLE fingerpost_analyst SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE fingerpost_analyst SET search_path = fingerpost;
COMMENT ON ROLE fingerpost_analyst IS 'Reads what Fingerpost tells analysts.';

-- Nobody else comes into this database, and both have no more of it than they need.
DO $$
BEGIN
  EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format(
    'GRANT CONNECT, CREATE, TEMPORARY ON DATABASE %I TO fingerpost_analytics', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO fingerpost_analyst', current_database());
END $$;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
