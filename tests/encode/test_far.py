from __future__ import annotations

import logging
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clipd import __version__
from clipd.config.options import EncoderConfig, ModelConfig
from clipd.encode.handle import Encoder
from clipd.encode.models import resolve
from clipd.encode.presets import IN_THE_BOX
from clipd.errors import EncodeError, EncoderAwayError
from clipd.photo import ModelSpec, Pixels
from tests.encode.far_machine import ENCODER, FarMachine

pytestmark = pytest.mark.slow

DEADLINE_SECONDS = 300.0


@pytest.fixture(scope="module")
def pocket(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    folder = tmp_path_factory.mktemp("pocket")
    return resolve(ModelConfig(name=IN_THE_BOX), folder, folder)


@pytest.fixture(scope="module")
def photos(pocket: ModelSpec) -> Pixels:
    side = pocket.preprocess.side
    return np.random.default_rng(5).integers(0, 256, (40, side, side, 3), np.uint8)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the other machine, where the model is converted once for all tests."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def machine(tmp_path: Path, home: Path) -> Iterator[FarMachine]:
    with FarMachine(tmp_path, home) as machine:
        yield machine


def encoder_at(machine: FarMachine, spec: ModelSpec, **changes: object) -> Encoder:
    config = replace(EncoderConfig(socket=machine.address), **changes)  # type: ignore[arg-type]
    return Encoder(spec, config, machine.address.parent / "cache")


def wait_for(claim: Callable[[], object]) -> None:
    changed, end = threading.Event(), time.monotonic() + DEADLINE_SECONDS
    while not claim():
        assert time.monotonic() < end, "waited in vain"
        changed.wait(0.01)


def test_another_machine_makes_the_vectors_that_a_child_makes(
    machine: FarMachine, pocket: ModelSpec, photos: Pixels, tmp_path: Path
) -> None:
    with Encoder(pocket, EncoderConfig(runtime="torch"), tmp_path / "here") as here:
        expected, words = here.encode_images(photos), here.encode_texts(["a cat", "caf\udce9"])
    with encoder_at(machine, pocket) as encoder:
        made = encoder.encode_images(photos)
        told = encoder.encode_texts(["a cat", "caf\udce9"])
        alone = encoder.encode_query_image(photos[:1])
        status = encoder.status()

    np.testing.assert_allclose((made * expected).sum(axis=1), 1, atol=1e-3)
    np.testing.assert_allclose((told * words).sum(axis=1), 1, atol=1e-3)
    np.testing.assert_allclose((alone @ made.T).argmax(), 0)
    assert (status.state, status.far, status.error) == ("ready", "desktop", "")
    assert status.runtime == "openvino"
    assert status.seals is not None
    assert status.seals.seccomp
    wait_for(lambda: not machine.running())


def test_a_machine_that_has_an_encoder_elsewhere_itself_encodes_and_does_not_pass_it_on(
    tmp_path: Path, pocket: ModelSpec
) -> None:
    home = tmp_path / "home"
    with FarMachine(tmp_path, home) as machine:
        file = home / ".config/clipd/config.toml"
        file.parent.mkdir(parents=True)
        file.write_text(f'[encoder]\nsocket = "{machine.address}"\n')

        with encoder_at(machine, pocket) as encoder:
            encoder.wake()  # the model is prepared there, for which no query waits a minute
            assert encoder.encode_texts(["a cat"]).shape == (1, pocket.dim)
        assert len(machine.processes) == 1


def test_a_query_overtakes_a_batch_on_the_one_stream(
    machine: FarMachine, pocket: ModelSpec, photos: Pixels
) -> None:
    batch = np.tile(photos, (30, 1, 1, 1))
    with encoder_at(machine, pocket) as encoder, ThreadPoolExecutor(1) as pool:
        encoder.encode_texts(["awake"])
        work = pool.submit(encoder.encode_images, batch)
        answered = 0
        while not work.done():
            encoder.encode_texts([f"query {answered}"])
            answered += 1

        assert work.result().shape == (len(batch), pocket.dim)
    assert answered > 3


def test_a_machine_that_is_off_is_said_to_be_away_and_is_taken_up_when_it_is_back(
    machine: FarMachine, pocket: ModelSpec, photos: Pixels
) -> None:
    machine.switch_off()
    with encoder_at(machine, pocket) as encoder:
        begun = time.monotonic()
        with pytest.raises(EncoderAwayError, match=r"desktop away since \d\d:\d\d: nothing answer"):
            encoder.encode_texts(["a cat"])
        assert time.monotonic() - begun < 2
        with pytest.raises(EncoderAwayError):
            encoder.encode_images(photos)
        status = encoder.status()
        assert (status.state, status.away_since is None) == ("away", False)
        assert "desktop away since" in status.error

        machine.switch_on()
        wait_for(lambda: encoder.status().state != "away")  # with nobody asking it anything
        assert encoder.status().error == ""
        assert encoder.encode_images(photos[:2]).shape == (2, pocket.dim)


def test_a_connection_that_breaks_over_a_batch_blames_no_picture_and_is_made_anew(
    machine: FarMachine, pocket: ModelSpec, photos: Pixels
) -> None:
    with encoder_at(machine, pocket) as encoder, ThreadPoolExecutor(1) as pool:
        encoder.encode_texts(["awake"])
        machine.signal_all(signal.SIGSTOP)
        work = pool.submit(encoder.encode_images, photos)
        wait_for(lambda: encoder.status().state == "silent")
        machine.signal_all(signal.SIGKILL)

        with pytest.raises(EncoderAwayError, match="desktop away since"):
            work.result()
        assert encoder.encode_texts(["a cat"]).shape == (1, pocket.dim)
        assert encoder.encode_images(photos).shape == (len(photos), pocket.dim)


def test_a_query_does_not_notice_that_an_idle_connection_broke(
    machine: FarMachine, pocket: ModelSpec
) -> None:
    with encoder_at(machine, pocket) as encoder:
        expected = encoder.encode_texts(["a cat"])
        machine.signal_all(signal.SIGKILL)
        wait_for(lambda: not machine.running())

        assert (encoder.encode_texts(["a cat"]) == expected).all()
        assert encoder.status().state == "ready"


def test_a_machine_that_never_answers_is_cut_off(machine: FarMachine, pocket: ModelSpec) -> None:
    machine.command = ("sleep", "1000")
    with encoder_at(machine, pocket) as encoder:
        begun = time.monotonic()
        with pytest.raises(EncoderAwayError, match="desktop has not answered yet"):
            encoder.encode_texts(["a cat"])
        assert time.monotonic() - begun < 15  # 6 s, and 20 where it waits for the greeting

        wait_for(lambda: encoder.status().state == "away")
        assert "no clipd has answered there within 20 s" in encoder.status().error
        begun = time.monotonic()
        with pytest.raises(EncoderAwayError, match="desktop away since"):
            encoder.encode_texts(["a cat"])
        assert time.monotonic() - begun < 5  # 1.5 s, and 6 where it is not known to be away


def test_one_that_stops_answering_is_cut_off_and_the_next_query_takes_a_new_connection(
    machine: FarMachine, pocket: ModelSpec
) -> None:
    with encoder_at(machine, pocket) as encoder:
        encoder.encode_texts(["awake"])
        machine.signal_all(signal.SIGSTOP)
        begun = time.monotonic()
        with pytest.raises(EncoderAwayError, match=r"did not answer for \d s"):
            encoder.encode_texts(["a cat"])
        assert time.monotonic() - begun < 10

        assert encoder.encode_texts(["a cat"]).shape == (1, pocket.dim)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'Permission denied (publickey).' >&2; exit 255", "Permission denied"),
        ("exit 0", "closed the connection without a word"),
        ('printf \'\\0clipd encoder 1 {"version": "0.0.9"}\\n\'; cat', "desktop has clipd 0.0.9"),
        ("printf '\\0clipd encoder 1 nonsense\\n'; exec cat", "its greeting cannot be read"),
        ("yes hello", "does not speak as clipd does: 'hello'"),
        ("yes 'good morning'", "does not speak as clipd does: 'good morning'"),
        ("head -c 9000000 /dev/urandom; exec sleep 1000", "does not speak as clipd does"),
    ],
    ids=["refused", "silent", "version", "greeting", "text", "long", "noise"],
)
def test_what_is_no_encoder_is_told_in_its_own_words(
    machine: FarMachine, pocket: ModelSpec, script: str, words: str
) -> None:
    machine.command = ("sh", "-c", script)
    with encoder_at(machine, pocket) as encoder:
        with pytest.raises(EncoderAwayError, match=words):
            encoder.encode_images(np.zeros((1, *[pocket.preprocess.side] * 2, 3), np.uint8))
        assert words in encoder.status().error


def test_what_a_login_prints_is_skipped(machine: FarMachine, pocket: ModelSpec) -> None:
    machine.command = ("sh", "-c", f"echo Welcome; echo 42 mails; exec {shlex.join(ENCODER)}")
    with encoder_at(machine, pocket) as encoder:
        assert encoder.encode_texts(["a cat"]).shape == (1, pocket.dim)


GREETED = "printf '\\0clipd encoder 1 {\"version\": \"'%s'\"}\\n'; "


@pytest.mark.parametrize(
    "answer",
    [
        "Connection to desktop closed by remote host.\\n",  # no frame at all
        "\\001\\000\\377\\377\\377\\377",  # a frame of 4 GB
        "\\001\\000\\000\\000\\000\\010" + 8 * "\\377",  # a message of 4 GB
        "\\001\\000\\000\\000\\000\\012\\000\\000\\000\\002\\000\\000\\000\\000[]",  # no object
        "\\001\\007\\000\\000\\000\\001x",  # a lane that there is not
    ],
    ids=["text", "frame", "message", "json", "lane"],
)
def test_nonsense_after_the_greeting_ends_the_connection_and_is_no_bug(
    machine: FarMachine, pocket: ModelSpec, answer: str
) -> None:
    machine.command = ("sh", "-c", f"{GREETED % __version__} printf '{answer}'; exec sleep 1000")
    with encoder_at(machine, pocket) as encoder:
        with pytest.raises(EncodeError):
            encoder.encode_texts(["a cat"])
        wait_for(lambda: encoder.status().state == "away")
        assert "desktop away since" in encoder.status().error


def odd(machine: FarMachine, pocket: ModelSpec, how: str) -> None:
    """Have something else in the place of the encoder: see `odd_machine`."""
    script = Path(__file__).with_name("odd_machine.py")
    machine.command = (sys.executable, str(script), how, str(pocket.dim))


def test_what_the_machine_does_before_it_is_ready_is_told(
    machine: FarMachine, pocket: ModelSpec
) -> None:
    odd(machine, pocket, "slow")
    with encoder_at(machine, pocket) as encoder, ThreadPoolExecutor(1) as pool:
        waking = pool.submit(encoder.wake)
        wait_for(lambda: encoder.status().doing == "preparing the model")
        assert encoder.status().state == "starting"
        machine.signal_all(signal.SIGKILL)
        with pytest.raises(EncoderAwayError):
            waking.result()
        assert encoder.status().doing == ""


def test_an_answer_that_nobody_asked_for_is_taken_for_no_photo(
    machine: FarMachine, pocket: ModelSpec
) -> None:
    odd(machine, pocket, "twice")
    with encoder_at(machine, pocket) as encoder:
        assert encoder.encode_texts(["a cat"]).shape == (1, pocket.dim)
        # Found at once, a broken connection is made anew without a word.
        assert encoder.encode_texts(["a dog"]).shape == (1, pocket.dim)
        assert len(machine.processes) == 2


def test_one_that_stalls_amid_its_first_answer_is_given_up_though_it_is_alive(
    machine: FarMachine, pocket: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipd.encode.encoder_child._REST_SECONDS", 1.0)
    odd(machine, pocket, "stalls")
    with encoder_at(machine, pocket) as encoder, pytest.raises(EncoderAwayError):
        encoder.wake()


def test_what_a_machine_says_of_itself_is_cut_down_to_what_a_status_can_hold(
    machine: FarMachine, pocket: ModelSpec
) -> None:
    odd(machine, pocket, "lies")
    with encoder_at(machine, pocket) as encoder:
        encoder.encode_texts(["a cat"])
        encoder.wake()
        status = encoder.status()

    assert status.measured == {"fp32": {"cosine": 1}}
    assert len(status.device) < 1000


def test_one_that_greets_and_does_not_encode_is_asked_less_and_less_often(
    machine: FarMachine, pocket: ModelSpec
) -> None:
    machine.command = ("sh", "-c", f"{GREETED % __version__} exit 1")
    with encoder_at(machine, pocket) as encoder:
        since: float | None = None
        waits: list[float] = []
        for _ in range(3):
            with pytest.raises(EncoderAwayError):
                encoder.wake()
            since = since or encoder.status().away_since
            assert encoder.status().away_since == since
            begun = time.monotonic()
            wait_for(lambda: encoder.status().state != "away")
            waits.append(time.monotonic() - begun)

    assert waits[0] < waits[1] < waits[2]


def test_other_weights_are_refused_in_words(machine: FarMachine, pocket: ModelSpec) -> None:
    with (
        encoder_at(machine, replace(pocket, fingerprint="0123456789abcdef")) as encoder,
        pytest.raises(EncoderAwayError, match="desktop refused: it has pocket with other weights"),
    ):
        encoder.encode_texts(["a cat"])


def test_weights_that_are_not_there_are_refused_with_the_way_to_get_them(
    machine: FarMachine, pocket: ModelSpec
) -> None:
    spec = replace(pocket, name="ViT-B-32-256", fingerprint="0123456789abcdef")
    with encoder_at(machine, spec) as encoder:
        with pytest.raises(
            EncoderAwayError, match=r"desktop refused: .*clipd model fetch ViT-B-32-256"
        ):
            encoder.encode_texts(["a cat"])
        assert "ViT-B-32-256" in encoder.status().error


def test_while_it_is_away_queries_are_encoded_here_if_that_is_wished(
    machine: FarMachine, pocket: ModelSpec, photos: Pixels
) -> None:
    machine.switch_off()
    with encoder_at(machine, pocket, fallback="local", runtime="torch") as encoder:
        assert encoder.encode_texts(["a cat"]).shape == (1, pocket.dim)
        assert encoder.status().state == "away"
        with pytest.raises(EncoderAwayError):
            encoder.encode_images(photos)

    elsewhere = replace(pocket, checkpoint="/nowhere/weights")
    with (
        encoder_at(machine, elsewhere, fallback="local") as encoder,
        pytest.raises(EncoderAwayError, match="no other model can stand in for it"),
    ):
        encoder.encode_texts(["a cat"])


def test_two_clipds_use_one_machine_at_once_and_its_model_is_converted_once(
    tmp_path: Path, pocket: ModelSpec, photos: Pixels, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    with FarMachine(tmp_path, fresh) as machine:
        _encode_with_two(machine, pocket, photos)

    assert len([each for each in caplog.messages if "this is done once" in each]) == 1


def _encode_with_two(machine: FarMachine, pocket: ModelSpec, photos: Pixels) -> None:
    with encoder_at(machine, pocket) as one, encoder_at(machine, pocket) as other:
        with ThreadPoolExecutor(2) as pool:
            answers = [pool.submit(each.encode_images, photos) for each in (one, other)]
            first, second = (answer.result() for answer in answers)

        np.testing.assert_allclose((first * second).sum(axis=1), 1, atol=1e-3)
        assert len(machine.running()) == 2
