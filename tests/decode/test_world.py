from __future__ import annotations

from dataclasses import replace
from typing import get_args

import PIL
import pytest

from clipd.config.options import DecoderConfig
from clipd.decode.world import codec_versions, refusal_world
from clipd.photo import FailureKind

LIMITS = DecoderConfig()
CODECS = codec_versions()


@pytest.mark.parametrize(
    ("option", "value", "kinds"),
    [
        ("max_pixels", 1, {"too-large"}),
        ("max_file", 1, {"too-large"}),
        ("timeout", 1.5, {"timeout", "crash"}),
        ("memory", 1 << 40, {"memory", "crash"}),
        ("processes", 3, set()),
    ],
)
def test_a_limit_is_part_of_the_world_of_what_it_refuses(
    option: str, value: float, kinds: set[str]
) -> None:
    other = replace(LIMITS, **{option: value})  # type: ignore[arg-type]
    assert kinds == {
        kind
        for kind in get_args(FailureKind)
        if refusal_world(kind, LIMITS, CODECS) != refusal_world(kind, other, CODECS)
    }


def test_another_codec_is_another_world_for_what_could_not_be_decoded() -> None:
    assert {"unsupported", "corrupt", "timeout", "memory", "crash"} == {
        kind
        for kind in get_args(FailureKind)
        if refusal_world(kind, LIMITS, CODECS) != refusal_world(kind, LIMITS, f"{CODECS} more")
    }


def test_every_codec_is_named_with_its_version_whether_it_is_there_or_not() -> None:
    words = dict(word.split("=") for word in CODECS.split())
    assert words["Pillow"] == PIL.__version__
    assert set(words) == {"clipd", "Pillow", "pillow-heif", "rawpy"}
    assert codec_versions() == CODECS
