"""The images: built, run as an orchestrator would, and measured."""
