"""When pictures leave for the encoder, and what comes back from one that cannot work."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from clipd.config.options import EncoderConfig
from clipd.encode.handle import Encoder
from clipd.ingest.batches import Batches, Outcome
from clipd.ingest.inbox import Encoded, NotEncodable, NotEncoded, Ready
from clipd.photo import Decoded, Fingerprint, Meta, ModelSpec, Pixels
from tests.encode.conftest import Faults
from tests.store.stock import a_hash, a_model

SIZE = 4
DEADLINE_SECONDS = 60.0


@dataclass
class Desk:
    """Batches for an encoder that is closed, and its answers."""

    batches: Batches
    answers: queue.SimpleQueue[Outcome]

    def add(self, count: int, *, waited: float = 0.0) -> None:
        for number in range(count):
            self.batches.add(_ready(number, np.zeros((32, 32, 3), np.uint8), waited))

    def answer(self) -> Outcome:
        return self.answers.get(timeout=DEADLINE_SECONDS)


def _ready(number: int, pixels: Pixels, waited: float = 0.0) -> Ready:
    decoded = Decoded(a_hash(number), Fingerprint(1, 2, 3, number, 5), 4, 3, "JPEG", Meta(), pixels)
    return Ready(b"/p/%d.jpg" % number, 1, decoded, time.monotonic() - waited)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    encoder = Encoder(a_model(), EncoderConfig(), tmp_path)
    encoder.close()
    answers: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    with Batches(encoder, SIZE, answers.put) as batches:
        yield Desk(batches, answers)


@pytest.mark.slow
def test_a_picture_without_a_usable_vector_harms_no_other_of_its_batch(
    faults: Faults, spec: ModelSpec, cache: Path, pictures: Pixels
) -> None:
    faults.blind_to("pictures.amin((1, 2, 3)) > 1")  # white all over
    batch = pictures.copy()
    batch[3] = 255
    answers: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    with (
        Encoder(
            spec, EncoderConfig(device="cpu", precision="fp32", runtime="torch"), cache
        ) as encoder,
        Batches(encoder, len(batch), answers.put) as batches,
    ):
        for number, picture in enumerate(batch):
            batches.add(_ready(number, picture))
        batches.send_due(more_coming=False)
        outcomes = [answers.get(timeout=DEADLINE_SECONDS) for _ in range(2)]

    good, bad = outcomes
    assert isinstance(good, Encoded)
    assert isinstance(bad, NotEncodable)
    assert [ready.path for ready in bad.batch] == [b"/p/3.jpg"]
    assert (bad.kind, "not finite" in bad.reason) == ("encode", True)
    assert len(good.batch) == len(good.vectors) == len(batch) - 1
    assert bad.batch[0] not in good.batch


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
    desk.add(1, waited=-60)  # it came just now, however slow this machine is
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
