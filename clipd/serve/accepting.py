"""What becomes of connections when the process may open no more files."""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import time
from typing import Any

_log = logging.getLogger(__name__)
_OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
# While asyncio tries again once a second, an outage is one outage.
_ONE_OUTAGE_SECONDS = 30.0


class Accepting:
    """Says once that no connection can be taken, where asyncio says it 128 times a second."""

    def __init__(self) -> None:
        self._failed_at = float("-inf")

    def on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Handle what asyncio has nobody to tell of; clients wait meanwhile, and are served later.

        asyncio tries to accept again after a second (``constants.ACCEPT_RETRY_DELAY``).
        """
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in _OUT_OF_DESCRIPTORS:
            loop.default_exception_handler(context)
            return
        now = time.monotonic()
        is_new = now - self._failed_at > _ONE_OUTAGE_SECONDS
        self._failed_at = now
        _log.log(
            logging.WARNING if is_new else logging.DEBUG,
            "no connection can be taken: %s (this process may open %d files); clients wait",
            error.strerror,
            resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        )
