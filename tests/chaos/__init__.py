"""The whole of Fingerpost against an adversary, and a judge of what it promised."""
