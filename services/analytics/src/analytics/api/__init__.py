"""The tables for programs: JSON over HTTP, read only."""
