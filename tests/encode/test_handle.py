from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from clipd.config.options import EncoderConfig
from clipd.encode.handle import Encoder
from clipd.encode.model_json import as_json
from clipd.errors import EncodeError, EncoderDiedError
from clipd.json_types import JsonValue
from clipd.photo import ModelSpec, Pixels
from clipd.process.child import Child
from tests.encode.conftest import Faults

pytestmark = pytest.mark.slow

DEADLINE_SECONDS = 300.0

Started = Callable[[], list[int]]


@pytest.fixture(scope="module")
def shared(spec: ModelSpec, cache: Path) -> Iterator[Encoder]:
    with Encoder(spec, EncoderConfig(device="cpu"), cache) as encoder:
        encoder.wake()  # the model is prepared, for which no query waits a minute
        encoder.encode_texts(["awake"])  # so that no test is blamed for the child it finds
        yield encoder


@pytest.fixture
def started() -> Started:
    """Tells the encoder children that this test has started, not those of `shared`."""
    before = set(workers(os.getpid()))
    return lambda: [pid for pid in workers(os.getpid()) if pid not in before]


@pytest.fixture
def own(spec: ModelSpec, cache: Path, started: Started) -> Iterator[Encoder]:
    """An encoder for a test that ends its child: what is shared must stay as it was."""
    with Encoder(spec, EncoderConfig(device="cpu"), cache) as encoder:
        encoder.wake()  # the model is prepared, for which no query waits a minute
        encoder.encode_texts(["awake"])
        yield encoder


def wait_for(claim: Callable[[], object]) -> None:
    changed, end = threading.Event(), time.monotonic() + DEADLINE_SECONDS
    while not claim():
        assert time.monotonic() < end, "waited in vain"
        changed.wait(0.01)


def workers(parent: int) -> list[int]:
    """Return the encoder children of a process."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            words = (status.parent / "cmdline").read_bytes().split(b"\0")
            if (
                f"\nPPid:\t{parent}\n" in status.read_text()
                and b"clipd.encode.encode_worker" in words
            ):
                found.append(int(status.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def keepers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "clipd-encoder-keeper"}


def test_pictures_and_texts_become_unit_vectors_in_order(
    shared: Encoder, spec: ModelSpec, pictures: Pixels
) -> None:
    vectors = shared.encode_images(pictures)
    texts = shared.encode_texts(["a cat", "a dog", "caf\udce9"])

    assert vectors.dtype == texts.dtype == np.float32
    assert vectors.shape == (10, spec.dim)
    assert texts.shape == (3, spec.dim)
    np.testing.assert_allclose(np.linalg.norm(np.vstack([vectors, texts]), axis=1), 1, atol=1e-5)
    assert (texts[0] @ texts[1]) < 0.999
    alone = np.vstack([shared.encode_query_image(picture[None]) for picture in pictures])
    np.testing.assert_allclose((alone * vectors).sum(axis=1), 1, atol=2e-3)
    assert (alone @ vectors.T).argmax(axis=1).tolist() == list(range(10))


def test_the_status_tells_where_the_model_is(shared: Encoder, pictures: Pixels) -> None:
    shared.encode_images(pictures)

    status = asdict(shared.status())

    assert status.pop("precision") in ("fp32", "bf16")
    assert status.pop("seals") is not None
    assert status.pop("measured")["fp32"]["cosine"] > 0.9999
    assert status == {
        "state": "ready",
        "doing": "",
        "runtime": "openvino",
        "device": "cpu",
        "model": "mine",
        "reason": "",
        "error": "",
        "far": "",
        "away_since": None,
    }


def test_a_query_does_not_wait_for_a_batch(shared: Encoder, pictures: Pixels) -> None:
    batch = np.tile(pictures, (400, 1, 1, 1))
    with ThreadPoolExecutor(1) as pool:
        photos = pool.submit(shared.encode_images, batch)
        answered = 0
        while not photos.done():
            shared.encode_texts([f"query {answered}"])
            answered += 1

    assert photos.result().shape == (4000, 48)
    assert answered > 5


def test_a_query_whose_encoder_is_killed_is_answered_by_a_new_one(
    own: Encoder, started: Started
) -> None:
    expected = own.encode_texts(["a cat"])
    (pid,) = started()
    os.kill(pid, signal.SIGSTOP)  # so that it is certainly killed with the query in hand
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(own.encode_texts, ["a cat"])
        wait_for(lambda: "does not answer" in own.status().error)
        os.kill(pid, signal.SIGKILL)

        np.testing.assert_allclose(answer.result(), expected, atol=1e-2)
    assert own.status().error == ""


def test_an_encoder_that_a_signal_stopped_is_replaced_and_the_status_says_so_meanwhile(
    own: Encoder, started: Started, pictures: Pixels
) -> None:
    (pid,) = started()
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: own.status().state == "silent")
    assert "stopped by a signal" in own.status().error
    asked_at = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        # A batch under way, whose own patience is longer, does not hold up the query.
        batch = pool.submit(own.encode_images, pictures)
        query = pool.submit(own.encode_query_image, pictures[:1])
        wait_for(lambda: "does not answer for" in own.status().error)
        error = query.exception()
        waited = time.monotonic() - asked_at
        with pytest.raises(EncoderDiedError, match=r"did not answer for \d+ s"):
            batch.result()

    assert waited < 60  # 11 s where nothing else runs
    if error is not None:  # this machine is too slow for a start in a few seconds
        assert "did not answer for" in str(error)
        assert "ask again in a moment" in str(error)
    assert own.encode_query_image(pictures[:1]).shape == (1, own.dim)
    assert own.status().state == "ready"
    assert pid not in started()


def test_queries_that_find_no_encoder_wait_for_one_start(
    spec: ModelSpec, cache: Path, started: Started
) -> None:
    config = EncoderConfig(device="cpu", precision="fp32")
    with Encoder(spec, config, cache) as before:
        before.wake()  # the model is prepared, for which no query waits a minute
    with Encoder(spec, config, cache) as encoder:
        with ThreadPoolExecutor(4) as pool:
            answers = [pool.submit(encoder.encode_texts, ["a cat"]) for _ in range(4)]
            wait_for(started)
            first = started()
            vectors = [answer.result() for answer in answers]

        assert started() == first
        assert len(first) == 1
    assert all((vector == vectors[0]).all() for vector in vectors)


def test_a_picture_without_a_usable_vector_is_a_row_of_nan_in_a_batch_and_an_error_in_a_query(
    faults: Faults, spec: ModelSpec, cache: Path, pictures: Pixels
) -> None:
    faults.blind_to("pictures.amin((1, 2, 3)) > 1")  # white all over
    batch = pictures.copy()
    batch[3] = 255
    config = EncoderConfig(device="cpu", precision="fp32", runtime="torch")
    with Encoder(spec, config, cache) as encoder:
        is_usable = np.isfinite(encoder.encode_images(batch)).all(axis=1)

        assert np.flatnonzero(~is_usable).tolist() == [3]
        with pytest.raises(EncodeError, match="no usable vector of this picture"):
            encoder.encode_query_image(batch[3:4])


def test_a_stop_while_the_encoder_starts_leaves_no_traceback(
    spec: ModelSpec, cache: Path, started: Started, capfd: pytest.CaptureFixture[str]
) -> None:
    encoder = Encoder(spec, EncoderConfig(device="cpu", precision="fp32"), cache)
    with ThreadPoolExecutor(1) as pool:
        query = pool.submit(encoder.encode_texts, ["a cat"])
        wait_for(started)
        encoder.close()
        with pytest.raises(EncodeError, match="clipd is stopping"):
            query.result()
    # The same seen from the child: its lanes close while it loads the model.
    with Child("clipd.encode.encode_worker", lanes=2) as child:
        child.lanes[0].send(_first_order(spec, cache))
        child.stop(DEADLINE_SECONDS)

    assert "Traceback" not in capfd.readouterr().err


def _first_order(spec: ModelSpec, cache: Path) -> dict[str, JsonValue]:
    wish: dict[str, JsonValue] = {"device": "cpu", "precision": "fp32", "batch": 4}
    return {"spec": as_json(spec), "cache": str(cache), **wish}


def test_the_child_ends_when_it_is_not_needed_and_comes_back(
    spec: ModelSpec, cache: Path, started: Started, pictures: Pixels
) -> None:
    config = EncoderConfig(device="cpu", precision="fp32", idle_unload=0.1)
    others = keepers()
    with Encoder(spec, config, cache) as encoder:
        assert encoder.encode_images(pictures[:0]).shape == (0, spec.dim)
        assert encoder.status().state == "asleep"
        encoder.encode_images(pictures)
        wait_for(lambda: encoder.status().state == "asleep" and not started())
        wait_for(lambda: not keepers() - others)

        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(encoder.encode_texts, ["a cat"])
            wait_for(started)
            encoder.close()
            with pytest.raises(EncodeError):
                waiting.result()
        assert not started()
        with pytest.raises(EncodeError, match="clipd is stopping"):
            encoder.encode_texts(["a cat"])


def test_a_killed_parent_leaves_no_child_behind(spec: ModelSpec, cache: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from clipd.config.options import EncoderConfig
from clipd.encode.handle import Encoder
from clipd.photo import ModelSpec, Preprocess
encoder = Encoder({spec!r}, EncoderConfig(precision="fp32"), Path({str(cache)!r}))
encoder.encode_texts(["a cat"])
print("ready", flush=True)
sys.stdin.read()
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        (child,) = workers(parent.pid)
        parent.kill()

    wait_for(lambda: not Path(f"/proc/{child}/cmdline").exists() or _is_zombie(child))


def _is_zombie(pid: int) -> bool:
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True
