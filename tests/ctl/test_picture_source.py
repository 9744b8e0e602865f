from __future__ import annotations

import socket
import tempfile
import threading
import time
from collections.abc import Callable

import pytest

from clipd.ctl.picture_source import PictureSource, WantedPicture
from clipd.ctl.tiles import RgbPicture
from clipd.errors import RequestError, StoppingError
from clipd.photo import Hit
from tests.ctl.conftest import Ctl
from tests.serve.answering import GivenService

BOX = (4, 2)
PICTURE = RgbPicture(4, 2, bytes(24))


@pytest.fixture
def wanted(ctl: Ctl, service: GivenService, monkeypatch: pytest.MonkeyPatch) -> list[WantedPicture]:
    """Nine photos of the service."""
    monkeypatch.setenv("CLIPD_SOCKET", str(ctl.socket))
    service.hits = tuple(Hit(n, b"/photos/%d.jpg" % n, 0.5, False) for n in range(1, 10))
    return [WantedPicture(hit.photo, (hit.path.decode(),)) for hit in service.hits]


def hanging(service: GivenService, *photos: int) -> Callable[[], None]:
    """Have the service not answer for some photos; return what ends that."""
    ended = threading.Event()

    def wait(photo: int) -> None:
        if photo in photos:
            ended.wait(20)

    service.before_thumbnail = wait
    return ended.set


def test_pictures_come_in_the_order_of_the_photos(wanted: list[WantedPicture]) -> None:
    with PictureSource(wanted, BOX) as source:
        assert source.take(0, 4) == [PICTURE] * 4
        assert source.take(4, 12) == [PICTURE] * 5


def test_what_a_stop_cuts_off_is_asked_again(
    wanted: list[WantedPicture], service: GivenService
) -> None:
    times = iter(range(9))

    def stop(photo: int) -> None:
        if next(times) < 2:
            raise StoppingError

    service.before_thumbnail = stop
    with PictureSource(wanted[1:2], BOX) as source:
        assert source.take(0, 1) == [PICTURE]


def test_a_photo_without_a_picture_has_a_reason_without_its_path(
    wanted: list[WantedPicture], service: GivenService
) -> None:
    def refuse(photo: int) -> None:
        if photo == 2:
            raise RequestError("no_thumbnail", "/photos/2.jpg: its drive is not there", 422)

    service.before_thumbnail = refuse
    with PictureSource([*wanted[:3], WantedPicture(999), WantedPicture(None)], BOX) as source:
        assert source.take(0, 5) == [
            PICTURE,
            "its drive is not there",
            PICTURE,
            "there is no photo 999 any more",
            "clipd does not know it",
        ]


def test_one_that_is_late_holds_nobody_longer_than_its_time(
    wanted: list[WantedPicture], service: GivenService
) -> None:
    end = hanging(service, 1)
    began = time.monotonic()
    try:
        with PictureSource(wanted, BOX, seconds=2) as source:
            assert source.take(0, 9) == ["it did not come within 2 s", *[PICTURE] * 8]
    finally:
        end()
    assert 2 <= time.monotonic() - began < 10


def test_a_list_does_not_wait_for_each_photo_of_a_drive_that_hangs(
    wanted: list[WantedPicture], service: GivenService
) -> None:
    end = hanging(service, *range(1, 10))
    began = time.monotonic()
    try:
        with PictureSource(wanted, BOX, seconds=0.3) as source:
            come = source.take(0, 9)
    finally:
        end()
    assert come.count("it did not come within 0.3 s") in (3, 4)
    assert set(come[4:]) == {"not asked for, since others did not come"}
    assert 0.6 <= time.monotonic() - began < 5


@pytest.mark.parametrize(
    "head_and_body",
    [
        "Clipd-Width: 4\r\nClipd-Height: 2\r\n\r\n" + "x" * 23,
        "Clipd-Width: 4\r\nClipd-Height: 2\r\n\r\n" + "x" * 25,
        "Clipd-Width: 8\r\nClipd-Height: 1\r\n\r\n" + "x" * 24,
        "Clipd-Width: -4\r\nClipd-Height: -2\r\n\r\n" + "x" * 24,
        "Clipd-Width: 0\r\nClipd-Height: 0\r\n\r\n",
        "\r\n" + "x" * 24,
    ],
)
def test_what_is_not_the_pixels_of_a_picture_is_not_drawn(
    monkeypatch: pytest.MonkeyPatch, head_and_body: str
) -> None:
    with tempfile.TemporaryDirectory(prefix="clipd-") as name:
        monkeypatch.setenv("CLIPD_SOCKET", f"{name}/s")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(f"{name}/s")
            listening.listen()
            answering = threading.Thread(
                target=_answer, args=(listening, f"HTTP/1.1 200 OK\r\n{head_and_body}")
            )
            answering.start()
            with PictureSource([WantedPicture(1)], BOX) as source:
                assert source.take(0, 1) == ["clipd broke off; try again"]
            answering.join()


def _answer(listening: socket.socket, answer: str) -> None:
    client, _ = listening.accept()
    with client:
        client.recv(10_000)
        client.sendall(answer.encode())
