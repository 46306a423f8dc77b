"""The run-time that the services share: no business words."""
