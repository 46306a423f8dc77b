#!/bin/sh
# Runs once, when the database is made: the roles, and the password of the one that analytics has.
set -eu
psql -v ON_ERROR_STOP=1 -q -U postgres -d fingerpost -f /etc/fingerpost/roles.sql
psql -v ON_ERROR_STOP=1 -q -U postgres -d fingerpost <<SQL
ALTER ROLE fingerpost_analytics PASSWORD '$(cat /run/secrets/POSTGRES_PASSWORD_ANALYTICS)';
SQL
