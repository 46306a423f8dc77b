"""The decisions: what an update means, what to record of it, and what to answer."""
