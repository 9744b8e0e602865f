"""OpenVINO computes on a CPU, what it needs is made once, and torch takes over where it fails."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clipd.config.options import EncoderConfig, ModelConfig
from clipd.encode.compiled import home_of
from clipd.encode.handle import Encoder
from clipd.encode.models import resolve
from clipd.encode.sample import SIZE
from clipd.errors import EncodeError
from clipd.photo import ModelSpec, Pixels, Vectors
from tests import processes
from tests.encode.conftest import SMALL, save_model, small_weights
from tests.encode.test_handle import wait_for

pytestmark = pytest.mark.slow

CONFIG = EncoderConfig(device="cpu", precision="fp32")


@pytest.fixture
def warm(spec: ModelSpec, cache: Path, tmp_path: Path) -> Path:
    """A cache of the test's own in which the model is converted already."""
    with Encoder(spec, CONFIG, cache) as encoder:
        encoder.wake()
    home = home_of(spec, CONFIG.precision, cache)
    shutil.copytree(home, home_of(spec, CONFIG.precision, tmp_path / "warm"))
    return tmp_path / "warm"


@pytest.fixture
def fake_openvino(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that children import in the place of OpenVINO."""
    file = tmp_path / "instead" / "openvino.py"
    file.parent.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(file.parent))
    return file


def mapped_by_the_encoder() -> str:
    (child,) = (
        child for child in processes.children(os.getpid()) if "encode_worker" in child.command
    )
    return Path(f"/proc/{child.pid}/maps").read_text()


def test_the_encoder_loads_neither_torch_nor_the_tower_that_it_does_not_need(
    spec: ModelSpec, cache: Path, pictures: Pixels
) -> None:
    with Encoder(spec, CONFIG, cache) as encoder:
        encoder.wake()
        encoder.encode_texts(["a cat"])
        after_a_text = mapped_by_the_encoder()
        encoder.encode_images(pictures)
        after_pictures = mapped_by_the_encoder()

    assert "libopenvino_intel_cpu_plugin" in after_a_text
    assert "text.blob" in after_a_text
    assert "image.blob" not in after_a_text
    assert "image.blob" in after_pictures
    assert "torch" not in after_pictures


def test_openvino_and_torch_make_the_same_vectors(
    spec: ModelSpec, cache: Path, pictures: Pixels
) -> None:
    texts = ["a cat", "Zürich, été", "写真 " * 90, ""]
    made = []
    for config in (CONFIG, replace(CONFIG, runtime="torch")):
        with Encoder(spec, config, cache) as encoder:
            vectors = [encoder.encode_images(pictures), encoder.encode_texts(texts)]
            vectors += [encoder.encode_texts([text]) for text in texts]
            made.append(np.concatenate(vectors))

    np.testing.assert_allclose(made[0], made[1], atol=2e-4)


def test_a_model_is_prepared_once_and_the_status_says_so(spec: ModelSpec, tmp_path: Path) -> None:
    with Encoder(spec, CONFIG, tmp_path) as encoder, ThreadPoolExecutor(1) as pool:
        waking = pool.submit(encoder.wake)  # a query would not wait longer than a minute
        wait_for(lambda: encoder.status().doing == "preparing mine for this processor")
        assert encoder.status().state == "starting"
        waking.result()
        assert encoder.status().doing == ""
    (home,) = (tmp_path / "compiled").iterdir()
    before = (home / "text.blob").stat()

    with Encoder(spec, CONFIG, tmp_path) as encoder:
        encoder.encode_texts(["a cat"])

    assert (home / "text.blob").stat().st_mtime_ns == before.st_mtime_ns
    assert {file.name for file in home.iterdir()} == {
        *("compiled.json", "text.blob", "text.npy", "image.blob", "image.npy")
    }


def test_torch_encodes_until_a_model_is_prepared_and_then_makes_way(
    spec: ModelSpec, tmp_path: Path, pictures: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipd.encode.keeper._HEAD_START_SECONDS", 0.5)
    preparing = "preparing mine for this processor"
    with Encoder(spec, CONFIG, tmp_path, goes_ahead=True) as encoder:
        early = encoder.encode_images(pictures)
        first = encoder.status()
        wait_for(lambda: encoder.status().doing == preparing)
        assert not list(tmp_path.glob("compiled/*/compiled.json"))
        late: list[Vectors] = []

        def is_prepared() -> bool:
            late.append(encoder.encode_images(pictures))  # never fails, batch after batch
            return encoder.status().runtime == "openvino"

        wait_for(is_prepared)
        last = encoder.status()

    assert (first.runtime, first.reason) == ("torch", f"{preparing}; until then, torch")
    assert (last.state, last.doing, last.reason, last.error) == ("ready", "", "", "")
    for vectors in late:
        np.testing.assert_allclose(vectors, early, atol=2e-4)


def test_the_first_photos_have_the_cores_to_themselves_until_they_pause(
    spec: ModelSpec, tmp_path: Path, pictures: Pixels
) -> None:
    with Encoder(spec, CONFIG, tmp_path, goes_ahead=True) as encoder:
        encoder.encode_images(pictures)
        until = time.monotonic() + 2.0
        while time.monotonic() < until:
            encoder.encode_images(pictures)
            assert not is_converting()
        wait_for(is_converting)


def test_torch_stays_where_preparing_fails_beside_it(
    spec: ModelSpec, tmp_path: Path, pictures: Pixels, fake_openvino: Path
) -> None:
    fake_openvino.write_text("raise ImportError('no libtbb')")

    with Encoder(spec, CONFIG, tmp_path, goes_ahead=True) as encoder:
        encoder.encode_images(pictures)
        wait_for(lambda: encoder.status().state == "asleep")
        encoder.encode_images(pictures)
        status = encoder.status()

    assert (status.runtime, status.error) == ("torch", "")
    assert status.reason == ("torch is used, not OpenVINO: OpenVINO cannot be imported: no libtbb")


def test_a_stop_while_torch_goes_ahead_ends_both(spec: ModelSpec, tmp_path: Path) -> None:
    before = {child.pid for child in processes.children(os.getpid())}
    with Encoder(spec, CONFIG, tmp_path, goes_ahead=True) as encoder:
        encoder.wake()
        wait_for(is_converting)
        assert len(processes.children(os.getpid())) >= len(before) + 2

    assert {child.pid for child in processes.children(os.getpid())} <= before


@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_a_converted_model_that_is_damaged_is_made_anew(
    damage: str, spec: ModelSpec, warm: Path
) -> None:
    (file,) = warm.glob("compiled/*/text.blob")
    content = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        middle = len(content) // 2
        file.write_bytes(content[:middle] + (b"" if damage == "cut" else b"x" + content[middle:]))

    with Encoder(spec, CONFIG, warm) as encoder:
        encoder.wake()
        encoder.encode_texts(["a cat"])
        assert (encoder.status().runtime, encoder.status().reason) == ("openvino", "")

    assert len(file.read_bytes()) == len(content)


def test_a_stop_while_a_model_is_prepared_ends_that_too(
    spec: ModelSpec, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    encoder = Encoder(spec, CONFIG, tmp_path)
    with ThreadPoolExecutor(1) as pool:
        query = pool.submit(encoder.encode_texts, ["a cat"])
        wait_for(lambda: encoder.status().doing)
        encoder.close()
        with pytest.raises(EncodeError, match="clipd is stopping"):
            query.result()

    assert not [one for one in processes.children(os.getpid()) if "convert" in one.command]
    assert "Traceback" not in capfd.readouterr().err


def test_without_openvino_torch_does_the_work_and_the_status_says_why(
    spec: ModelSpec, tmp_path: Path, fake_openvino: Path
) -> None:
    fake_openvino.write_text("raise ImportError('no libtbb')")

    with Encoder(spec, CONFIG, tmp_path) as encoder:
        encoder.wake()
        encoder.encode_texts(["a cat"])
        status = encoder.status()

    assert (status.runtime, status.error) == ("torch", "")
    assert status.reason == ("torch is used, not OpenVINO: OpenVINO cannot be imported: no libtbb")


def test_an_encoder_that_openvino_crashes_is_followed_by_one_with_torch(
    spec: ModelSpec, warm: Path, fake_openvino: Path
) -> None:
    fake_openvino.write_text("import ctypes; ctypes.string_at(0)")

    with Encoder(spec, CONFIG, warm) as encoder:
        with pytest.raises(EncodeError, match=r"died of SIGSEGV"):
            encoder.encode_texts(["a cat"])
        encoder.wake()
        encoder.encode_texts(["a cat"])
        status = encoder.status()

    assert status.runtime == "torch"
    assert "died of SIGSEGV before it had encoded anything" in status.reason


def test_a_model_with_a_tokenizer_of_its_own_is_left_to_torch(
    tmp_path: Path, pictures: Pixels
) -> None:
    checkpoint = save_model(tmp_path / "model", small_weights())
    text = {**SMALL["text_cfg"], "tokenizer_kwargs": {"clean": "canonicalize"}}  # type: ignore[dict-item]
    checkpoint.with_suffix(".json").write_text(json.dumps({**SMALL, "text_cfg": text}))
    own = resolve(ModelConfig(name="mine", checkpoint=checkpoint), tmp_path, tmp_path)

    with Encoder(own, CONFIG, tmp_path) as encoder:
        encoder.encode_images(pictures)
        status = encoder.status()

    assert status.runtime == "torch"
    assert "its tokenizer is not CLIP's own" in status.reason


def test_int8_is_tried_on_photos_at_idle_and_used_from_then_on(
    spec: ModelSpec, tmp_path: Path
) -> None:
    photos = np.random.default_rng(4).integers(0, 256, (SIZE, *(spec.preprocess.side,) * 2, 3))
    pixels = photos.astype(np.uint8)
    exact = replace(CONFIG, precision="int8", idle_unload=0.1)
    with Encoder(spec, exact, tmp_path) as encoder:
        batches = [pixels[start : start + 4] for start in range(0, SIZE, 4)]
        before = np.concatenate([encoder.encode_images(batch) for batch in batches])
        assert encoder.status().precision != "int8"
        # A query goes first: what was begun at idle is broken off, and done another time.
        wait_for(is_converting)
        assert encoder.encode_texts(["a cat"]).shape == (1, spec.dim)
        wait_for(lambda: len(list(tmp_path.glob("compiled/*/compiled.json"))) == 2)
        wait_for(lambda: not is_converting())

        after = encoder.encode_images(pixels)
        status = encoder.status()

    assert (status.runtime, status.precision) == ("openvino", "int8")
    figures = status.measured["int8"]
    assert isinstance(figures, dict)
    assert set(figures) == {"gain", "cosine", "hits"}
    assert float((before * after).sum(axis=1).min()) > 0.98


def test_int8_is_not_tried_while_work_has_to_wait(spec: ModelSpec, tmp_path: Path) -> None:
    side = spec.preprocess.side
    pixels = np.random.default_rng(4).integers(0, 256, (SIZE, side, side, 3), np.uint8)
    power = threading.Event()  # of the mains
    exact = replace(CONFIG, precision="int8", idle_unload=0.1)
    with Encoder(spec, exact, tmp_path, may_try=power.is_set) as encoder:
        for start in range(0, SIZE, 4):
            encoder.encode_images(pixels[start : start + 4])
        wait_for(lambda: encoder.status().state == "asleep")
        encoder.encode_texts(["a cat"])  # starts a keeper, which joins the one before
        assert len(list(tmp_path.glob("compiled/*"))) == 1

        power.set()
        wait_for(is_converting)
        power.clear()  # in the middle of it
        wait_for(lambda: not is_converting())
        encoder.encode_texts(["a cat"])

    assert not list(tmp_path.glob("compiled/*/refused.json"))
    assert len(list(tmp_path.glob("compiled/*/compiled.json"))) == 1


def is_converting() -> bool:
    return any("convert_worker" in one.command for one in processes.children(os.getpid()))
