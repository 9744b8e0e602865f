"""clipd: a daemon that keeps a photo library searchable by meaning."""

__version__ = "0.1.0"
