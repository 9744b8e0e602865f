"""The HTTP API on the Unix socket."""
