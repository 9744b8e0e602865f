"""File -> upright pixels, metadata, hash: the pool (parent), the worker and its sandbox (child)."""
