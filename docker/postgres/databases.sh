#!/bin/bash
# Runs once, on an empty server: one database per context, each with an owner role (migrations,
# which alone may create tables) and a run-time role (rows only). No role can enter another
# context's database. The same as sagaplatform/stack/provision.py does for the local stack.
# Passwords come from the environment: <CONTEXT>_OWNER_PASSWORD and <CONTEXT>_APP_PASSWORD.
set -euo pipefail

run_psql() {
    psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" "$@"
}

for context in default orders inventory pricing payments shipping notifications fraud sagas; do
    for password in "${context^^}_OWNER_PASSWORD" "${context^^}_APP_PASSWORD"; do
        [ -n "${!password:-}" ] || { echo "Error: $password is not set." >&2; exit 1; }
    done
    names=(--set owner="${context}_owner" --set app="${context}_app" --set database="saga_${context}"
           --set owner_variable="${context^^}_OWNER_PASSWORD"
           --set app_variable="${context^^}_APP_PASSWORD")
    run_psql --dbname postgres "${names[@]}" <<'SQL'
\getenv owner_password :owner_variable
\getenv app_password :app_variable
CREATE ROLE :"owner" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'owner_password';
CREATE ROLE :"app" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'app_password';
ALTER ROLE :"app" SET statement_timeout = '30s';
ALTER ROLE :"app" SET lock_timeout = '10s';
ALTER ROLE :"app" SET idle_in_transaction_session_timeout = '60s';
CREATE DATABASE :"database" OWNER :"owner";
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO :"owner", :"app";
SQL
    run_psql --dbname "saga_${context}" "${names[@]}" <<'SQL'
ALTER SCHEMA public OWNER TO :"owner";
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO :"app";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"app";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public
  GRANT USAGE, SELECT ON SEQUENCES TO :"app";
SQL
done

run_psql --dbname postgres <<'SQL'
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
REVOKE ALL ON DATABASE template1 FROM PUBLIC;
SQL
