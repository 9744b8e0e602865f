"""Pictures that nobody here made, all of them through one pool."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from clipd.config.options import DecoderConfig
from clipd.decode.formats import is_picture_name
from clipd.decode.pool import DecodeJob, DecoderPool
from clipd.photo import Decoded, Preprocess, Refused

pytestmark = pytest.mark.slow
DEADLINE_SECONDS = 300.0
SIDE = 224


@dataclass(frozen=True)
class Entry:
    """A line of the manifest that matters here."""

    path: str
    is_read_by_pillow: bool
    size: frozenset[int]  # of its sides, which Pillow tells before turning it upright


@dataclass(frozen=True)
class Result:
    outcomes: dict[str, list[Decoded | Refused]]
    is_alive: bool


def entries(corpus: Path) -> list[Entry]:
    lines = (corpus / "manifest.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    return [
        Entry(
            record["path"],
            record.get("pillow13") == "ok",
            frozenset({record.get("w"), record.get("h")}),
        )
        for record in records
        if not record["path"].startswith("clip-refs/")
    ]


@pytest.fixture(scope="module")
def result(corpus: Path) -> Result:
    outcomes: dict[str, list[Decoded | Refused]] = {entry.path: [] for entry in entries(corpus)}
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
        last = pool.decode_now(os.fsencode(corpus / "clip-refs" / "franz-kafka.jpg"))
    return Result(outcomes, isinstance(last, Decoded))


def test_every_file_is_reported_once_and_the_pool_lives_on(result: Result) -> None:
    assert {len(outcomes) for outcomes in result.outcomes.values()} == {1}
    assert result.is_alive


def test_no_file_kills_or_stalls_a_decoder(result: Result) -> None:
    kinds = {
        outcome.kind for (outcome,) in result.outcomes.values() if isinstance(outcome, Refused)
    }
    assert kinds == {"skipped", "unsupported", "corrupt", "empty", "too-large"}


def test_what_pillow_reads_is_decoded_unless_its_format_is_not_read(
    result: Result, corpus: Path
) -> None:
    refused = {
        entry.path: outcome.reason
        for entry in entries(corpus)
        for outcome in result.outcomes[entry.path]
        if entry.is_read_by_pillow and isinstance(outcome, Refused)
    }
    assert set(refused.values()) <= {"PNM pictures are not read"}, refused


def test_decoded_pictures_have_the_size_of_the_manifest(result: Result, corpus: Path) -> None:
    for entry in entries(corpus):
        (outcome,) = result.outcomes[entry.path]
        if entry.is_read_by_pillow and isinstance(outcome, Decoded):
            assert {outcome.width, outcome.height} == entry.size, entry.path
            assert outcome.pixels is not None
            assert outcome.pixels.shape == (SIDE, SIDE, 3)


def test_heif_pictures_are_read(result: Result) -> None:
    for path, (outcome,) in result.outcomes.items():
        if (
            path.endswith((".heic", ".heif"))
            and "corrupted" not in path
            and "truncated" not in path
        ):
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
