"""What the checker judges by: only the standard library, and nothing that the services share."""
