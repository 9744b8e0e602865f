"""Copies of one content that arrive together."""

from __future__ import annotations

import threading

import numpy as np

from clipd.decode.pool import DecodeJob
from clipd.ingest.claims import Claims, Outcome
from clipd.photo import Decoded, Fingerprint, Meta, Refused

HASH = bytes(16)


def decoded(pixels: bool) -> Decoded:
    picture = np.zeros((2, 2, 3), np.uint8) if pixels else None
    return Decoded(HASH, Fingerprint(1, 2, 3, 4, 5), 4, 3, "JPEG", Meta(), picture)


class Desk:
    def __init__(self) -> None:
        self.with_vector: set[bytes] = set()
        self.reports: list[Outcome] = []
        self.claims = Claims(
            self.with_vector.__contains__, lambda job, outcome: self.reports.append(outcome)
        )

    def known_elsewhere(self) -> bool:
        """Ask as another decoder's thread would."""
        answers: list[bool] = []
        thread = threading.Thread(target=lambda: answers.append(self.claims.is_known(HASH)))
        thread.start()
        thread.join()
        return answers[0]


def test_of_two_copies_at_once_one_is_decoded() -> None:
    desk = Desk()
    assert not desk.claims.is_known(HASH)
    assert desk.known_elsewhere()


def test_a_content_with_a_vector_is_known_to_all() -> None:
    desk = Desk()
    desk.with_vector.add(HASH)
    assert desk.claims.is_known(HASH)
    desk.with_vector.clear()
    assert not desk.claims.is_known(HASH)


def test_a_copy_that_cannot_be_decoded_leaves_the_content_to_the_next() -> None:
    desk = Desk()
    assert not desk.claims.is_known(HASH)
    desk.claims.report(DecodeJob(1, b"/a.jpg"), Refused("corrupt", "no picture"))
    assert not desk.known_elsewhere()


def test_a_decoded_copy_keeps_its_claim_until_it_is_released() -> None:
    desk = Desk()
    assert not desk.claims.is_known(HASH)
    desk.claims.report(DecodeJob(1, b"/a.jpg"), decoded(pixels=True))
    assert desk.known_elsewhere()
    desk.claims.release(HASH)
    assert not desk.known_elsewhere()


def test_a_waiting_copy_takes_nothing_from_the_first() -> None:
    desk = Desk()
    assert not desk.known_elsewhere()
    assert desk.claims.is_known(HASH)
    desk.claims.report(DecodeJob(2, b"/b.jpg"), decoded(pixels=False))
    assert desk.claims.is_known(HASH)
    assert len(desk.reports) == 1
