#!/bin/sh
# Makes the files of a database on first use, then runs the server. What the official image's
# entrypoint understands and tests need: POSTGRES_USER, POSTGRES_PASSWORD (or _FILE), POSTGRES_DB,
# scripts in /docker-entrypoint-initdb.d.
set -eu

if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
    POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
fi
user=${POSTGRES_USER:-postgres}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    printf '%s' "${POSTGRES_PASSWORD:?must be set}" >/tmp/password
    initdb --pgdata "$PGDATA" --username "$user" --pwfile /tmp/password --encoding UTF8 \
        --locale C.UTF-8 --auth-local trust --auth-host scram-sha-256 >/dev/null
    rm /tmp/password
    # As long as the database is being made, nobody from outside can take it for ready.
    pg_ctl --pgdata "$PGDATA" --wait --silent -o "-c listen_addresses= -k /var/run/postgresql" start
    if [ "${POSTGRES_DB:-$user}" != postgres ]; then
        createdb --host /var/run/postgresql --username "$user" "${POSTGRES_DB:-$user}"
    fi
    for script in /docker-entrypoint-initdb.d/*.sh; do
        [ ! -e "$script" ] || PGHOST=/var/run/postgresql sh "$script"
    done
    pg_ctl --pgdata "$PGDATA" --wait --silent stop
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
fi

[ "${1:-postgres}" != postgres ] || [ $# -eq 0 ] || shift
exec postgres -D "$PGDATA" -c listen_addresses='*' -k /var/run/postgresql "$@"
