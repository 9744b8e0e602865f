import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipd.daemon import systemd as notify


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield sock


def test_each_state_reaches_the_manager(manager: socket.socket) -> None:
    assert notify.notify_ready("watching 3 roots")
    assert manager.recv(4096) == b"READY=1\nSTATUS=watching 3 roots"
    assert notify.notify_status("two\nlines")
    assert manager.recv(4096) == b"STATUS=two lines"
    assert notify.notify_watchdog()
    assert manager.recv(4096) == b"WATCHDOG=1"
    assert notify.notify_stopping()
    assert manager.recv(4096).startswith(b"STOPPING=1\n")
    assert notify.notify_reloading()
    first, second = manager.recv(4096).split(b"\n")
    assert first == b"RELOADING=1"
    assert second.startswith(b"MONOTONIC_USEC=")


def test_an_abstract_address_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"clipd-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0{name}")
        sock.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")

        assert notify.notify("READY=1")
        assert sock.recv(64) == b"READY=1"


def test_without_a_manager_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify.notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    assert not notify.notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", "vsock:2:1234")
    assert not notify.notify("READY=1")


@pytest.mark.parametrize(
    ("wait_usec", "process", "expected"),
    [
        ("60000000", None, 30.0),
        ("60000000", "ours", 30.0),
        ("60000000", "1", None),
        (None, None, None),
        ("0", None, None),
        ("soon", None, None),
    ],
)
def test_the_watchdog_is_fed_at_half_its_time_and_only_by_whom_it_is_meant_for(
    monkeypatch: pytest.MonkeyPatch,
    wait_usec: str | None,
    process: str | None,
    expected: float | None,
) -> None:
    for name, value in (("WATCHDOG_USEC", wait_usec), ("WATCHDOG_PID", process)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, str(os.getpid()) if value == "ours" else value)

    assert notify.watchdog_interval() == expected


def test_a_manager_that_does_not_read_costs_time_but_no_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        while notify.notify_watchdog():
            pass  # until its queue is full
        before = time.process_time()
        assert not notify.notify_watchdog()
        assert time.process_time() - before < 0.3
