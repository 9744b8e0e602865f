"""The page: a process of the session between a browser on loopback and the daemon's socket."""
