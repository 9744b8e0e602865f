from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from clipd.decode.decoder import Decoder
from clipd.decode.opening import OpenPhoto
from clipd.decode.settings import Settings, Target
from clipd.errors import ChildError, PictureError
from clipd.photo import Fingerprint
from tests.decode.conftest import two_colours
from tests.decode.lying_decoder import ANSWERS, PIXELS

ROOT = str(Path(__file__).parents[2])
SETTINGS = Settings(Target(2), 1000, 1 << 30, 30.0)


def refused_by(lie: str, folder: Path, timeout_seconds: float) -> PictureError:
    """Let a lying child decode a photo; return what is made of it."""
    photo = folder / "a.png"
    two_colours().save(photo)
    fingerprint = Fingerprint.of(photo.stat())
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CLIPD_TEST_LIE", lie)
        environment.setenv("PYTHONPATH", ROOT, prepend=os.pathsep)
        decoder = Decoder(SETTINGS, timeout_seconds, module="tests.decode.lying_decoder")
    with photo.open("rb") as file:
        opened = OpenPhoto(file.fileno(), fingerprint, "PNG")
        decode = partial(decoder.decode, opened, lambda _: True)
        with pytest.raises(PictureError) as refused:
            (partial(decoder.fit, opened, (4, 2)) if lie in PIXELS else decode)()
    assert not Path(f"/proc/{decoder.pid}").exists()
    return refused.value


@pytest.mark.parametrize("lie", [*ANSWERS, *PIXELS])
def test_a_decoder_that_lies_is_ended_and_nothing_of_it_is_believed(
    tmp_path: Path, lie: str
) -> None:
    assert refused_by(lie, tmp_path, 30.0).kind == "crash"


def test_a_decoder_that_answers_a_byte_at_a_time_meets_its_deadline(tmp_path: Path) -> None:
    assert refused_by("dribble", tmp_path, 0.4).kind == "timeout"


def test_a_decoder_that_cannot_start_is_no_fault_of_a_file() -> None:
    with pytest.raises(ChildError, match="did not start"):
        Decoder(SETTINGS, 30.0, module="clipd.decode.no_such_module")


def test_a_decoder_is_sealed_as_it_says(tmp_path: Path) -> None:
    decoder = Decoder(SETTINGS, 30.0)
    status = Path(f"/proc/{decoder.pid}/status").read_text()
    limits = Path(f"/proc/{decoder.pid}/limits").read_text()
    seals = decoder.seals
    assert decoder.end() == 0
    assert ("Seccomp:\t2" in status) is seals.seccomp
    if seals.seccomp or seals.landlock:
        assert "NoNewPrivs:\t1" in status
    assert f"Max address space         {1 << 30}" in limits
    assert "Max core file size        0" in limits
    assert "Max file size             0" in limits
