"""What Fingerpost's services say to each other: pure models and names, no I/O."""
