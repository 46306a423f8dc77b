"""Everything on one machine: real NATS, real Postgres, the sandbox and the four services."""
