# After roles.sql, when the database is made: lets both roles in.
psql -v ON_ERROR_STOP=1 -v one="$ANALYTICS_PASSWORD" -v two="$ANALYST_PASSWORD" -d fingerpost <<'SQL'
ALTER ROLE fingerpost_analytics PASSWORD :'one';
ALTER ROLE fingerpost_analyst PASSWORD :'two';
SQL
