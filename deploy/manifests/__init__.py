"""Renders the manifests of `deploy/` and checks them without a cluster."""
