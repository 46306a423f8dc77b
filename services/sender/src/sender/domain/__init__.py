"""What the sender decides, and in which words. Pure."""
