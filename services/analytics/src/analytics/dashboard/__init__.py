"""The dashboard: pages for people, drawn by the server from the analysts' tables."""
