"""What a person asks of clicks: to set, show or remove the bot's webhook."""
