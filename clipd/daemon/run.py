"""run(): everything that starts and stops, on one page.

A reload (SIGHUP) is an orderly stop and start within the process: whatever the configuration
may change, there is one way to bring it about. The lock, the pid and the socket stay, so that
clients wait a moment instead of finding nobody. A file that cannot be read stops nothing.
"""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from clipd.config.folders import Paths
from clipd.config.load import load_config
from clipd.config.options import Config
from clipd.daemon.assembly import Running, assembled
from clipd.daemon.health import Health
from clipd.daemon.instance import single_instance
from clipd.daemon.systemd import (
    notify_ready,
    notify_reloading,
    notify_status,
    notify_stopping,
    notify_watchdog,
    watchdog_interval,
)
from clipd.errors import ClipdError, StoreUnavailableError
from clipd.logs import write_logs
from clipd.serve.listener import listening

_log = logging.getLogger(__name__)
_LOOK_EVERY_SECONDS = 5.0
_STORE_WAIT_SECONDS = 15.0


class Signals:
    """What the outside has asked for. Handlers only set flags."""

    def __init__(self) -> None:
        self.wake = threading.Event()
        self.must_stop = False
        self.must_reload = False
        self.has_failed = False

    def install(self) -> None:
        """Take SIGTERM, SIGINT, SIGHUP and the end of threads that must not end."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGHUP, self._reload)
        # A lease that we hold for a moment to see whether a file is being written may be
        # broken by its writer; the default action of that signal would end us (fcntl(2)).
        signal.signal(signal.SIGIO, signal.SIG_IGN)
        threading.excepthook = self._thread_died

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.must_stop = True
        self.wake.set()

    def _reload(self, number: int, frame: FrameType | None) -> None:
        self.must_reload = True
        self.wake.set()

    def _thread_died(self, arguments: threading.ExceptHookArgs) -> None:
        sys.__excepthook__(
            arguments.exc_type,
            arguments.exc_value or arguments.exc_type(),
            arguments.exc_traceback,
        )
        self.has_failed = True
        self.wake.set()


def run(config_file: Path | None) -> int:
    """Run the daemon until it is told to stop.

    Returns:
        the exit status: 0 after SIGTERM, 1 after a bug in a thread.

    Raises:
        ClipdError: it cannot start.
    """
    write_logs()
    signals = Signals()
    signals.install()
    paths = Paths.of()
    config = load_config(config_file)
    paths.make()
    with single_instance(paths.state / "lock"), listening(paths.socket) as sock:
        _run_and_reload(config, config_file, paths, sock, signals)
    return 1 if signals.has_failed else 0


def _run_and_reload(
    config: Config, file: Path | None, paths: Paths, sock: socket.socket, signals: Signals
) -> None:
    """Run with one configuration after the other; one that cannot be used changes nothing."""
    before: Config | None = None  # to go back to, while another one is tried
    complaint, is_paused = "", False
    while not (signals.must_stop or signals.has_failed):
        with ExitStack() as running:
            try:
                daemon = running.enter_context(
                    assembled(config, paths, sock, complaint, is_paused=is_paused)
                )
            except StoreUnavailableError as error:
                _wait_for_store(error, signals)
                continue
            except ClipdError as error:
                if before is None:
                    raise
                complaint = _complaint(error)
                config, before = before, None
                continue
            _log.info("clipd answers on %s", paths.socket)
            fresh = _stay_until_told(daemon, file, paths, signals)
            is_paused = daemon.pause.is_paused
        if fresh is not None:
            config, before, complaint = fresh, config, ""


def _stay_until_told(
    daemon: Running, file: Path | None, paths: Paths, signals: Signals
) -> Config | None:
    """Look after the daemon; return the configuration to go on with, None to end."""
    while True:
        notify_ready(daemon.board.line())
        _stay(daemon, paths, signals)
        if signals.must_stop or signals.has_failed:
            notify_stopping()
            return None
        signals.must_reload = False
        notify_reloading()
        try:
            return load_config(file)
        except ClipdError as error:
            daemon.board.complain(_complaint(error))


def _wait_for_store(error: StoreUnavailableError, signals: Signals) -> None:
    """Let some time pass: a full disk or a locked catalog is for the user to see to."""
    _log.error("%s; trying again in %.0f s", error, _STORE_WAIT_SECONDS)
    notify_status(str(error))
    signals.wake.wait(_STORE_WAIT_SECONDS)
    signals.wake.clear()


def _complaint(error: ClipdError) -> str:
    complaint = f"the configuration was not changed: {error}"
    _log.error("%s", complaint)
    return complaint


def _stay(daemon: Running, paths: Paths, signals: Signals) -> None:
    """Feed systemd's watchdog with real checks, and keep its status line true."""
    interval = min(watchdog_interval() or _LOOK_EVERY_SECONDS, _LOOK_EVERY_SECONDS)
    health = Health(paths.socket, daemon.indexer, daemon.watcher)
    said = ""
    while not (signals.must_stop or signals.must_reload or signals.has_failed):
        signals.wake.wait(interval)
        signals.wake.clear()
        if daemon.reader.must_reopen():
            signals.must_reload = True
        if health.is_good():
            notify_watchdog()
        line = daemon.board.line()
        if line != said:
            notify_status(line)
            said = line
