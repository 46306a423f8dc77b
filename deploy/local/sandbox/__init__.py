"""A Telegram Bot API server to run and test against; a control API plays the people."""
