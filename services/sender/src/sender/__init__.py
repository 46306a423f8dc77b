"""Due events in, messages in Telegram out: each at most once, and the log says what happened."""
