from __future__ import annotations

import json
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from clipd.config.options import EncoderConfig
from clipd.encode.compiled import home_of
from clipd.encode.handle import Encoder
from clipd.encode.model_json import as_json
from clipd.photo import ModelSpec, Pixels, Vectors
from clipd.process.channel import Channel, Message

pytestmark = pytest.mark.slow


@pytest.fixture
def converted(spec: ModelSpec, cache: Path) -> Path:
    with Encoder(spec, EncoderConfig(device="cpu", precision="fp32"), cache) as encoder:
        encoder.wake()
    return home_of(spec, "fp32", cache)


def vectors_of(message: Message | None) -> Vectors:
    assert message is not None
    shape: list[int] = message.header["shape"]  # type: ignore[assignment]
    return np.frombuffer(message.body, np.float32).reshape(shape)


def test_a_text_is_answered_while_a_slice_of_pictures_is_computed(
    spec: ModelSpec, cache: Path, converted: Path, pictures: Pixels
) -> None:
    pairs = [socket.socketpair() for _ in range(2)]
    fds = [theirs.fileno() for _, theirs in pairs]
    command = [sys.executable, "-m", "tests.encode.held_server", *map(str, fds)]
    images, queries = (Channel(ours) for ours, _ in pairs)
    with subprocess.Popen(command, pass_fds=fds, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        for _, theirs in pairs:
            theirs.close()
        images.send(
            {
                "spec": as_json(spec),
                "device": "cpu",
                "precision": "fp32",
                "batch": 32,
                "cache": str(cache),
                "compiled": str(converted),
            }
        )
        ready = images.receive(0)
        assert ready is not None
        assert ready.header["runtime"] == "openvino"
        images.send({"op": "images", "shape": list(pictures.shape)}, pictures.tobytes())
        assert server.stdout.readline() == b"batch\n"
        queries.send({"op": "texts"}, json.dumps(["a cat"]).encode())
        text = vectors_of(queries.receive(1 << 20))
        made = vectors_of(images.receive(1 << 20))
        images.close()
        queries.close()
        said = server.stdout.read()
        assert server.wait(30) == 0

    assert set(said.splitlines()) == {b"text meanwhile"}  # of each slice
    assert made.shape == (len(pictures), spec.dim)
    np.testing.assert_allclose(np.linalg.norm(text, axis=1), 1, atol=1e-5)


def test_a_picture_of_a_query_is_encoded_amid_a_batch(
    spec: ModelSpec, cache: Path, converted: Path, pictures: Pixels
) -> None:
    config = EncoderConfig(device="cpu", precision="fp32")
    with Encoder(spec, config, cache) as encoder:
        expected = encoder.encode_query_image(pictures[:1])
        batch = np.tile(pictures, (200, 1, 1, 1))
        with ThreadPoolExecutor(1) as pool:
            photos = pool.submit(encoder.encode_images, batch)
            answered = 0
            while not photos.done():
                amid = encoder.encode_query_image(pictures[:1])
                np.testing.assert_allclose(amid, expected, atol=2e-4)
                answered += 1
        status = encoder.status()

    assert photos.result().shape == (2000, spec.dim)
    assert answered > 1
    assert (status.runtime, status.reason) == ("openvino", "")
