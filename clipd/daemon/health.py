"""Whether clipd really works: what systemd's watchdog is fed by."""

from __future__ import annotations

import http.client
import logging
import socket
import time
from pathlib import Path

from clipd.ingest.indexer import Indexer
from clipd.watch.watcher import Watcher

_log = logging.getLogger(__name__)
_ANSWER_SECONDS = 5.0
# The indexer's longest turn: verifying or backing up a million photos on a slow disk.
_TURN_SECONDS = 900.0
_LISTEN_SECONDS = 60.0  # the watcher's own thread touches no disk: a minute is long


class Health:
    """Asks the socket as a client would, and looks whether the threads within are at work."""

    def __init__(self, socket_file: Path, indexer: Indexer, watcher: Watcher) -> None:
        self._socket_file = socket_file
        self._indexer = indexer
        self._watcher = watcher

    def is_good(self) -> bool:
        """Return whether the daemon answers, and its folders are watched and worked on."""
        turned = time.monotonic() - self._indexer.progress().beat
        if turned > _TURN_SECONDS:
            _log.error("the indexer has not turned for %.0f s", turned)
            return False
        listened = time.monotonic() - self._watcher.beat
        if listened > _LISTEN_SECONDS:
            _log.error("the thread that watches over the folders is stuck for %.0f s", listened)
            return False
        return self._answers()

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("clipd", timeout=_ANSWER_SECONDS)
        try:
            connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.sock.settimeout(_ANSWER_SECONDS)
            connection.sock.connect(str(self._socket_file))
            connection.request("GET", "/v1/ping")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException) as error:
            _log.error("the socket %s does not answer: %s", self._socket_file, error)
            return False
        finally:
            connection.close()
