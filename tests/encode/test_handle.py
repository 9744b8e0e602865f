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
from clipd.errors import EncodeError
from clipd.photo import ModelSpec, Pixels

pytestmark = pytest.mark.slow

DEADLINE_SECONDS = 120.0


@pytest.fixture(scope="module")
def shared(spec: ModelSpec, cache: Path) -> Iterator[Encoder]:
    with Encoder(spec, EncoderConfig(device="cpu"), cache) as encoder:
        encoder.encode_texts(["awake"])  # so that no test is blamed for the child it finds
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


def test_the_status_tells_where_the_model_is_and_why(shared: Encoder, pictures: Pixels) -> None:
    shared.encode_images(pictures)

    status = asdict(shared.status())

    assert status.pop("precision") in ("fp32", "bf16")
    assert status == {
        "state": "ready",
        "device": "cpu",
        "model": "mine",
        "reason": 'encoder.device is "cpu"',
        "error": "",
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


def test_a_killed_child_is_replaced_once_for_the_work_under_way(
    shared: Encoder, pictures: Pixels
) -> None:
    expected = shared.encode_images(pictures)
    batch = np.tile(pictures, (400, 1, 1, 1))
    (first,) = workers(os.getpid())
    with ThreadPoolExecutor(1) as pool:
        photos = pool.submit(shared.encode_images, batch)
        os.kill(first, signal.SIGKILL)
        np.testing.assert_allclose(photos.result()[-10:], expected, atol=1e-2)

        (second,) = workers(os.getpid())
        photos = pool.submit(shared.encode_images, batch)
        os.kill(second, signal.SIGKILL)
        wait_for(lambda: set(workers(os.getpid())) - {second})
        for pid in workers(os.getpid()):
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(EncodeError, match="was killed"):
            photos.result()

    assert "was killed" in shared.status().error
    assert shared.status().state == "asleep"


def test_the_child_ends_when_it_is_not_needed_and_comes_back(
    spec: ModelSpec, cache: Path, pictures: Pixels
) -> None:
    config = EncoderConfig(device="cpu", precision="fp32", idle_unload=0.1)
    with Encoder(spec, config, cache) as encoder:
        assert encoder.encode_images(pictures[:0]).shape == (0, spec.dim)
        assert encoder.status().state == "asleep"
        encoder.encode_images(pictures)
        wait_for(lambda: encoder.status().state == "asleep" and not workers(os.getpid()))
        wait_for(lambda: "clipd-encoder-rest" not in {t.name for t in threading.enumerate()})

        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(encoder.encode_texts, ["a cat"])
            wait_for(lambda: workers(os.getpid()))
            encoder.close()
            with pytest.raises(EncodeError):
                waiting.result()
        assert not workers(os.getpid())
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
