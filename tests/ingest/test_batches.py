"""When pictures leave for the encoder, and what comes back from one that cannot work."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from clipd.config.options import EncoderConfig
from clipd.encode.handle import Encoder
from clipd.ingest.batches import Batches
from clipd.ingest.inbox import Encoded, NotEncoded, Ready
from clipd.photo import Decoded, Fingerprint
from tests.store.stock import a_hash, a_model

SIZE = 4
DEADLINE_SECONDS = 60.0


@dataclass
class Desk:
    """Batches for an encoder that is closed, and its answers."""

    batches: Batches
    answers: queue.SimpleQueue[Encoded | NotEncoded] = field(default_factory=queue.SimpleQueue)

    def add(self, count: int, *, waited: float = 0.0) -> None:
        for number in range(count):
            pixels = np.zeros((32, 32, 3), np.uint8)
            seen = Fingerprint(1, 2, 3, number, 5)
            decoded = Decoded(a_hash(number), seen, 4, 3, "JPEG", "", pixels)
            path = b"/p/%d.jpg" % number
            self.batches.add(Ready(path, 1, decoded, time.monotonic() - waited))

    def answer(self) -> Encoded | NotEncoded:
        answer = self.answers.get(timeout=DEADLINE_SECONDS)
        self.batches.answered()
        return answer


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    encoder = Encoder(a_model(), EncoderConfig(), tmp_path)
    encoder.close()
    answers: queue.SimpleQueue[Encoded | NotEncoded] = queue.SimpleQueue()
    with Batches(encoder, SIZE, answers.put) as batches:
        yield Desk(batches, answers)


def test_a_full_batch_goes_while_more_is_coming(desk: Desk) -> None:
    desk.add(SIZE + 1)
    desk.batches.send_due(more_coming=True)
    assert len(desk.answer().batch) == SIZE
    assert len(desk.batches) == 1


def test_a_lone_picture_goes_at_once_when_nothing_is_coming(desk: Desk) -> None:
    desk.add(1)
    desk.batches.send_due(more_coming=False)
    assert len(desk.answer().batch) == 1
    assert len(desk.batches) == 0


def test_a_lone_picture_waits_for_company_but_not_for_long(desk: Desk) -> None:
    desk.add(1)
    desk.batches.send_due(more_coming=True)
    assert desk.answers.empty()
    desk.add(1, waited=60)
    desk.batches.send_due(more_coming=False)
    assert len(desk.answer().batch) == 2

    desk.add(1, waited=60)
    desk.batches.send_due(more_coming=True)
    assert len(desk.answer().batch) == 1


def test_there_is_room_for_three_batches_and_again_when_they_are_answered(desk: Desk) -> None:
    assert desk.batches.room == 3 * SIZE
    desk.add(3 * SIZE)
    desk.batches.send_due(more_coming=True)
    assert desk.batches.room == 0
    desk.answer()
    desk.batches.send_due(more_coming=True)
    desk.answer()
    desk.answer()
    assert desk.batches.room == 3 * SIZE


def test_the_pictures_of_a_failed_batch_come_back_in_order_with_the_reason(desk: Desk) -> None:
    desk.add(SIZE)
    desk.batches.send_due(more_coming=True)
    answer = desk.answer()
    assert isinstance(answer, NotEncoded)
    assert [ready.path for ready in answer.batch] == [b"/p/%d.jpg" % n for n in range(SIZE)]
    assert "closed" in str(answer.error)
