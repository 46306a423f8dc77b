"""What a person asks of the sender: uncertain deliveries, channels, and whether looking works."""
