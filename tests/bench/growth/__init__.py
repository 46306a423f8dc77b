"""How each cost grows with channels, taps, replicas and what the log holds: `make growth`."""
