"""What clients may do, and what the connections of one server have in common."""

from __future__ import annotations

import resource
import threading

from clipd.config.options import ServeConfig
from clipd.serve.peer import allowed_uids

# Of the descriptors that the process may open, connections take an eighth, and as much again
# twice while they come and go: the catalog, the watches and the children need the others.
_DESCRIPTORS_PER_CONNECTION = 8
_LEAST_CONNECTIONS = 4


class Limits:
    """What clients may do. ``config`` may be replaced while the server runs, by any thread."""

    def __init__(self, config: ServeConfig) -> None:
        self.config = config
        self.uids = allowed_uids()  # whose processes may ask
        self.stopping = threading.Event()  # for connections that are accepted while we stop

    @property
    def max_connections(self) -> int:
        """How many connections there may be, as configured or as the descriptors allow."""
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if descriptors == resource.RLIM_INFINITY:
            return self.config.max_connections
        allowed = max(_LEAST_CONNECTIONS, descriptors // _DESCRIPTORS_PER_CONNECTION)
        return min(self.config.max_connections, allowed)
