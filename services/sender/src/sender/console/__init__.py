"""What a person asks of the sender: about uncertain deliveries, and whether looking works."""
