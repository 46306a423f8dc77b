"""The pure part of analytics: what an event means for the tables, and whether the log is ours."""
