"""The measurements of `make bench`: each part beside its floor and its peer, in one run."""
