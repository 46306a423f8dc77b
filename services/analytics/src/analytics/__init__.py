"""The log into Postgres tables, and a dashboard over them. Says nothing to the log."""
