"""run(): everything that starts and stops, on one page.

A reload (SIGHUP) takes over at once what only limits or defaults answers. For all else it is an
orderly stop and start within the process: whatever the configuration may change, there is one
way to bring it about. The lock, the pid and the socket stay, so that clients wait a moment
instead of finding nobody. A file that cannot be read stops nothing.
"""

from __future__ import annotations

import logging
import resource
import socket
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from clipd.config.folders import Paths
from clipd.config.load import load_config
from clipd.config.options import Config
from clipd.daemon.assembly import Running, assembled, needs_restart
from clipd.daemon.health import Health
from clipd.daemon.instance import single_instance
from clipd.daemon.reopening import Reopening
from clipd.daemon.signals import Signals, listening_to_signals
from clipd.daemon.systemd import (
    notify_ready,
    notify_reloading,
    notify_status,
    notify_stopping,
    notify_watchdog,
    watchdog_interval,
)
from clipd.errors import CatalogCorruptError, ClipdError, StoreUnavailableError
from clipd.logs import write_logs
from clipd.process.memory import hold_little
from clipd.process.spawner import spawning
from clipd.serve.listener import listening

_log = logging.getLogger(__name__)
_LOOK_EVERY_SECONDS = 5.0
_STORE_WAIT_SECONDS = 15.0
_REBUILD_WAIT_SECONDS = 1.0


def run(config_file: Path | None) -> int:
    """Run the daemon until it is told to stop.

    Returns:
        the exit status: 0 after SIGTERM, 1 after a bug in a thread.

    Raises:
        ClipdError: it cannot start.
    """
    write_logs()
    hold_little()
    _raise_descriptor_limit()
    with listening_to_signals() as signals, spawning():
        paths = Paths.of()
        if config_file is not None:
            paths = replace(paths, config=config_file.absolute())
        config = load_config(paths.config)
        paths.make()
        with single_instance(paths.state / "lock"), listening(paths.socket) as sock:
            _run_and_reload(config, paths, sock, signals)
        return 1 if signals.has_failed else 0


def _raise_descriptor_limit() -> None:
    """Take all the descriptors that we may have.

    The soft limit of 1,024 is there for programs that use select(2), which cannot count further
    (https://0pointer.net/blog/file-descriptor-limits.html); clipd polls.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _run_and_reload(config: Config, paths: Paths, sock: socket.socket, signals: Signals) -> None:
    """Run with one configuration after the other; one that cannot be used changes nothing."""
    before: Config | None = None  # to go back to, while another one is tried
    complaint, is_paused, needs_model, go_over_to = "", False, False, ""
    reopening = Reopening()
    while not signals.must_end:
        with ExitStack() as running:
            try:
                daemon = running.enter_context(
                    assembled(
                        config,
                        paths,
                        sock,
                        complaint,
                        is_paused=is_paused,
                        needs_model=needs_model and before is not None,
                        go_over_to=go_over_to,
                    )
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
            config, fresh = _stay_until_told(daemon, config, paths, signals, reopening)
            is_paused = daemon.write_path.pause.is_paused
            go_over_to = daemon.goes_over_to()
            needs_model = daemon.arrival is None  # searches work: no reload may end that
        if fresh is not None:
            config, before, complaint = fresh, config, ""


def _stay_until_told(
    daemon: Running, config: Config, paths: Paths, signals: Signals, reopening: Reopening
) -> tuple[Config, Config | None]:
    """Look after the daemon until it has to stop, or to start anew.

    Returns:
        the configuration that was in use at the end, and the one to go on with (None: end).
    """
    while True:
        notify_ready(daemon.board.line())
        _stay(daemon, paths, signals, reopening)
        if signals.must_end:
            notify_stopping()
            return config, None
        if not signals.must_reload:
            return config, config  # to open anew what could not be written, or has come
        signals.must_reload = False
        notify_reloading()
        try:
            fresh = load_config(paths.config)
        except ClipdError as error:
            daemon.board.complain(_complaint(error))
            continue
        if needs_restart(config, fresh) or daemon.arrival is not None:
            return config, fresh
        daemon.adapt(fresh)
        daemon.board.complain("")
        config = fresh


def _wait_for_store(error: StoreUnavailableError, signals: Signals) -> None:
    """Let some time pass: a full disk or a locked catalog is for the user to see to.

    A damaged catalog is set aside by the next try, which so need not wait.
    """
    is_damaged = isinstance(error, CatalogCorruptError)
    seconds = _REBUILD_WAIT_SECONDS if is_damaged else _STORE_WAIT_SECONDS
    _log.error("%s; trying again in %.0f s", error, seconds)
    notify_status(str(error))
    signals.wait(seconds)


def _complaint(error: ClipdError) -> str:
    complaint = f"the configuration was not changed: {error}"
    _log.error("%s", complaint)
    return complaint


def _stay(daemon: Running, paths: Paths, signals: Signals, reopening: Reopening) -> None:
    """Feed systemd's watchdog with real checks, and keep its status line true.

    Returns when a signal has come, when the catalog has to be opened anew, since it is damaged or
    can be written by now, when weights that were not here may have come, or when it is time to go
    over to another model.
    """
    interval = min(watchdog_interval() or _LOOK_EVERY_SECONDS, _LOOK_EVERY_SECONDS)
    health = Health(paths.socket, daemon.write_path.indexer, daemon.write_path.watcher)
    said = ""
    while not (signals.must_end or signals.must_reload):
        signals.wait(interval)
        if daemon.reader.must_reopen() and reopening.is_due(time.monotonic()):
            return
        if daemon.arrival is not None and daemon.arrival.has_happened():
            return
        if daemon.goes_over_to():
            return
        if health.is_good():
            notify_watchdog()
        line = daemon.board.line()
        if line != said:
            notify_status(line)
            said = line
