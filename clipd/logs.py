"""How clipd and its encoder write their log: lines on standard error."""

from __future__ import annotations

import faulthandler
import logging
import os

_log = logging.getLogger(__name__)

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


LEVELS = ("debug", "info", "warning", "error")
LEVEL_VARIABLE = "CLIPD_LOG"


def write_logs() -> None:
    """Log from INFO on for clipd, from WARNING on for libraries; tell of crashes in C code.

    ``CLIPD_LOG=debug`` (or another of ``LEVELS``) sets the level for clipd and its children.
    A process that systemd's watchdog aborts leaves the stacks of its threads behind.
    """
    handler = logging.StreamHandler()
    if "JOURNAL_STREAM" in os.environ:
        handler.setFormatter(_JournalFormatter("%(name)s: %(message)s"))
    else:
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler])
    level = os.environ.get(LEVEL_VARIABLE, "info").lower()
    logging.getLogger("clipd").setLevel(level.upper() if level in LEVELS else "INFO")
    if level not in LEVELS:
        _log.warning("%s=%s is no level; there are: %s", LEVEL_VARIABLE, level, ", ".join(LEVELS))
    faulthandler.enable()
