"""A corpus of good and bad pictures, all of them through one pool."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clipd.config.options import DecoderConfig
from clipd.decode.formats import is_picture_name
from clipd.decode.pool import DecodeJob, DecoderPool
from clipd.photo import Decoded, Preprocess, Refused
from tests.corpus.folder import captioned, manifest

pytestmark = pytest.mark.slow
DEADLINE_SECONDS = 300.0
SIDE = 224


@dataclass(frozen=True)
class Result:
    """What the pool made of each file, beside what the manifest knows of it."""

    outcomes: dict[str, list[Decoded | Refused]]
    known: dict[str, dict[str, Any]]
    is_alive: bool

    def readable(self) -> dict[str, dict[str, Any]]:
        """The files that Pillow reads alone, without the library for HEIF."""
        return {path: row for path, row in self.known.items() if row.get("pillow13") == "ok"}


@pytest.fixture(scope="module")
def result(corpus: Path) -> Result:
    known = {
        path: row for path, row in manifest(corpus).items() if not path.startswith("clip-refs/")
    }
    outcomes: dict[str, list[Decoded | Refused]] = {path: [] for path in known}
    paths = list(outcomes)
    finished = threading.Semaphore(0)

    def report(job: DecodeJob, outcome: Decoded | Refused) -> None:
        outcomes[paths[job.ticket]].append(outcome)
        finished.release()

    with DecoderPool(DecoderConfig(), Preprocess(SIDE), lambda _: False, report) as pool:
        for ticket, path in enumerate(paths):
            pool.submit(DecodeJob(ticket, os.fsencode(corpus / path)))
        for _ in paths:
            assert finished.acquire(timeout=DEADLINE_SECONDS)
        last = pool.decode_now(os.fsencode(captioned(corpus)[0]))
    return Result(outcomes, known, isinstance(last, Decoded))


def test_every_file_is_reported_once_and_the_pool_lives_on(result: Result) -> None:
    assert {len(outcomes) for outcomes in result.outcomes.values()} == {1}
    assert result.is_alive


def test_no_file_kills_or_stalls_a_decoder(result: Result) -> None:
    kinds = {
        outcome.kind for (outcome,) in result.outcomes.values() if isinstance(outcome, Refused)
    }
    assert kinds == {"skipped", "unsupported", "corrupt", "empty", "too-large"}


def test_a_file_that_was_broken_on_purpose_is_refused_for_that_reason(result: Result) -> None:
    wrong = {}
    for path, row in result.known.items():
        (outcome,) = result.outcomes[path]
        kind = outcome.kind if isinstance(outcome, Refused) else "read"
        right = row.get("refused", ["any"])  # of a foreign file nobody knows what is right
        if kind not in right and right != ["any"]:
            wrong[path] = outcome
    assert wrong == {}


def test_what_pillow_reads_is_decoded_unless_its_format_is_not_read(result: Result) -> None:
    refused = {
        path: outcome.reason
        for path in result.readable()
        for outcome in result.outcomes[path]
        if isinstance(outcome, Refused)
    }
    # Of a damaged JPEG, Pillow fills with grey what is missing, and calls it read.
    of_good = {path: reason for path, reason in refused.items() if "hostile" not in path}
    assert set(of_good.values()) <= {"PNM pictures are not read"}, of_good
    assert set(refused.values()) <= {"PNM pictures are not read", "the JPEG data are cut short"}


def test_decoded_pictures_have_the_size_of_the_manifest(result: Result) -> None:
    for path, row in result.readable().items():
        (outcome,) = result.outcomes[path]
        if isinstance(outcome, Decoded):
            # The manifest has the sides as they are stored; a turned picture swaps them.
            assert {outcome.width, outcome.height} == {row["w"], row["h"]}, path
            assert outcome.pixels is not None
            assert outcome.pixels.shape == (SIDE, SIDE, 3)


def test_heif_pictures_are_read(result: Result) -> None:
    heif = {path for path, row in result.known.items() if row.get("pillow13_heif") == "ok"}
    assert heif
    # A library may read what is left of a file that was cut; clipd need not.
    for path in heif - {path for path in heif if "truncated" in path}:
        (outcome,) = result.outcomes[path]
        assert isinstance(outcome, Decoded), (path, outcome)


def test_every_refusal_is_a_sentence_for_people(result: Result) -> None:
    for path, (outcome,) in result.outcomes.items():
        if isinstance(outcome, Refused):
            assert 10 < len(outcome.reason) < 250, path
            assert "\n" not in outcome.reason
            assert "0x" not in outcome.reason


def test_names_of_pictures_are_handed_to_a_decoder(result: Result) -> None:
    for path, (outcome,) in result.outcomes.items():
        if isinstance(outcome, Decoded):
            assert is_picture_name(os.fsencode(path)), path
