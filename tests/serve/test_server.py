from __future__ import annotations

import os
import socket
import stat
import threading
import tomllib
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import pytest

from clipd.config.options import ServeConfig
from clipd.errors import AlreadyRunningError, ConfigError, EncoderClosedError
from clipd.serve.listener import listening
from clipd.serve.server import GRACE_SECONDS
from tests.serve.answering import GivenService, running
from tests.serve.http_client import ask, connected, read_reply


def test_the_folder_and_the_socket_are_for_their_user_only(folder: Path) -> None:
    before = os.umask(0)
    try:
        with running(folder / "clipd") as path:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    finally:
        os.umask(before)


def test_a_stale_socket_is_taken_over(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(folder / "clipd.sock"))
    with running(folder) as path:
        assert ask(path, "GET", "/v1/ping").status == 200


def test_a_socket_that_answers_is_left_alone(folder: Path) -> None:
    with running(folder) as path:
        with pytest.raises(AlreadyRunningError, match="CLIPD_SOCKET"), listening(path):
            pass
        assert ask(path, "GET", "/v1/ping").status == 200


def test_a_file_in_the_way_is_left_alone(folder: Path) -> None:
    path = folder / "clipd.sock"
    path.write_text("mine")
    with pytest.raises(ConfigError, match="not a socket"), listening(path):
        pass
    assert path.read_text() == "mine"


def test_a_path_too_long_for_a_socket_is_refused_in_a_sentence(folder: Path) -> None:
    path = folder / ("x" * 120)
    with pytest.raises(ConfigError, match=r"107 bytes.*CLIPD_SOCKET"), listening(path):
        pass


def test_a_folder_that_cannot_be_made_is_refused_in_a_sentence(folder: Path) -> None:
    (folder / "file").touch()
    with pytest.raises(ConfigError, match="cannot listen on"), listening(folder / "file" / "s"):
        pass


def test_a_socket_made_by_someone_else_meanwhile_is_not_removed(folder: Path) -> None:
    path = folder / "clipd.sock"
    with listening(path):
        path.rename(folder / "moved.sock")
        path.touch()
    assert path.exists()


def test_stopping_lets_an_answer_in_progress_out(folder: Path) -> None:
    begun, go = threading.Event(), threading.Event()
    service = GivenService()

    def wait() -> None:
        begun.set()
        go.wait(20)

    service.before_search = wait
    with connecting_to(folder, service) as sock:
        sock.sendall(b"GET /v1/search?q=x HTTP/1.1\r\nHost: a\r\n\r\n")
        assert begun.wait(20)
        threading.Timer(0.2, go.set).start()
    assert read_reply(sock).status == 200
    sock.close()


@pytest.mark.slow
def test_stopping_tells_whoever_has_waited_too_long_to_ask_again(folder: Path) -> None:
    begun, go = threading.Event(), threading.Event()
    service = GivenService()

    def wait() -> None:
        begun.set()
        go.wait(60)

    service.before_search = wait
    with connecting_to(folder, service) as sock:
        threading.Timer(GRACE_SECONDS + 1.5, go.set).start()
        sock.sendall(b"GET /v1/search?q=x HTTP/1.1\r\nHost: a\r\n\r\n")
        assert begun.wait(20)
    with sock:
        reply = read_reply(sock)
    assert (reply.status, reply.code) == (503, "stopping")


def test_stopping_tells_whoever_was_about_to_ask_to_ask_again(folder: Path) -> None:
    with connecting_to(folder, GivenService()) as sock:
        ask(folder / "clipd.sock", "GET", "/v1/ping")  # so that the connection before is taken
    with sock:
        reply = read_reply(sock)
    assert (reply.status, reply.code) == (503, "stopping")


def test_a_search_that_an_ending_encoder_fails_is_told_to_ask_again(folder: Path) -> None:
    def fail() -> None:
        raise EncoderClosedError

    with running(folder, GivenService(before_search=fail)) as path:
        reply = ask(path, "GET", "/v1/search?q=x")
    assert (reply.status, reply.code) == (503, "stopping")


def connecting_to(folder: Path, service: GivenService) -> _Connecting:
    return _Connecting(folder, service)


class _Connecting:
    """A server that is stopped while its one client still waits."""

    def __init__(self, folder: Path, service: GivenService) -> None:
        self._running = running(folder, service, ServeConfig())

    def __enter__(self) -> socket.socket:
        path = self._running.__enter__()
        self._client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._client.settimeout(20)
        self._client.connect(str(path))
        return self._client

    def __exit__(self, *_: object) -> None:
        self._running.__exit__(None, None, None)


def test_stopping_does_not_wait_for_clients_that_only_sit_there(folder: Path) -> None:
    with running(folder) as path:
        ask(path, "GET", "/v1/ping")
        with connected(path):
            pass
        idle = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        idle.connect(str(path))
    with idle:
        idle.settimeout(20)
        with suppress(ConnectionResetError):  # not accepted any more: its socket is gone
            assert idle.makefile("rb").read()[:12] in (b"", b"HTTP/1.1 503")


def test_uvicorn_is_bounded_by_a_version_that_was_tried() -> None:
    """Parts of uvicorn that are not its API are built on: a new one may break them silently."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    (wanted,) = (each for each in project["dependencies"] if each.startswith("uvicorn"))
    bound = wanted.partition("<")[2]
    assert version_numbers(metadata.version("uvicorn")) < version_numbers(bound)


def version_numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]
