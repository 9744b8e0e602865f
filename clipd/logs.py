"""How clipd and its encoder write their log: lines on standard error."""

from __future__ import annotations

import faulthandler
import logging
import os

# sd-daemon(3): the journal takes the priority of a line from a number in front of it.
_PRIORITIES = {
    logging.DEBUG: "<7>",
    logging.INFO: "<6>",
    logging.WARNING: "<4>",
    logging.ERROR: "<3>",
    logging.CRITICAL: "<2>",
}


class _JournalFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """Give every line of a record its priority, those of a traceback too."""
        priority = _PRIORITIES.get(record.levelno, "<6>")
        return "\n".join(priority + line for line in super().format(record).splitlines())


def write_logs() -> None:
    """Log from INFO on for clipd, from WARNING on for libraries; tell of crashes in C code.

    A process that systemd's watchdog aborts leaves the stacks of its threads behind.
    """
    handler = logging.StreamHandler()
    if "JOURNAL_STREAM" in os.environ:
        handler.setFormatter(_JournalFormatter("%(name)s: %(message)s"))
    else:
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler])
    logging.getLogger("clipd").setLevel(logging.INFO)
    faulthandler.enable()
