"""What the tests stand on: real servers, real services as processes, and examples."""
