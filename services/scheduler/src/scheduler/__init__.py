"""Campaigns in, due events out: each slot once, however many replicas run."""
