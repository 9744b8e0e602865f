"""A converted model counts only while it is whole and fits this machine."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from clipd.encode import compiled
from clipd.encode.compiled import Compiled, find, forget_oldest, home_of, read, record
from clipd.encode.model_json import sha256_of
from clipd.errors import ModelError
from clipd.photo import ModelSpec, Preprocess

SPEC = ModelSpec("mine", "small", "", "/gone.safetensors", 48, Preprocess(side=64), "one")


def written(home: Path) -> Compiled:
    """Write a folder as a conversion leaves it."""
    home.mkdir(parents=True)
    made = Compiled(home, "bf16", 77, {"bf16": {"seconds": 0.1, "cosine": 0.9999}})
    for tower in (compiled.IMAGE, compiled.TEXT):
        made.file(tower).write_bytes(tower.encode())
        made.proof(tower).write_bytes(b"vectors")
    record(made, {tower: sha256_of(made.file(tower)) for tower in (compiled.IMAGE, compiled.TEXT)})
    return made


def test_what_was_written_is_found_again(tmp_path: Path) -> None:
    home = home_of(SPEC, "auto", tmp_path)

    assert find(home, tmp_path) is None
    made = written(home)

    assert find(home, tmp_path) == read(home) == made


def test_another_model_precision_library_or_processor_has_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    homes = [home_of(SPEC, precision, tmp_path) for precision in ("auto", "fp32")]
    homes.append(home_of(replace(SPEC, fingerprint="two"), "auto", tmp_path))
    for name, value in (("version", lambda name: "9.9"), ("processor", lambda: "another")):
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(compiled, name, value)
            homes.append(home_of(SPEC, "auto", tmp_path))

    assert len(set(homes)) == len(homes)
    assert home_of(replace(SPEC, checkpoint="/moved", name="renamed"), "auto", tmp_path) == homes[0]


@pytest.mark.parametrize("damage", ["image.blob", "text.blob", "compiled.json"])
def test_a_file_with_other_bytes_makes_the_folder_count_for_nothing(
    tmp_path: Path, damage: str
) -> None:
    home = home_of(SPEC, "auto", tmp_path)
    written(home)

    (home / damage).write_bytes(b"{}")

    assert find(home, tmp_path) is None


def test_a_folder_without_a_manifest_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no converted model in"):
        read(tmp_path)


def test_of_many_converted_models_those_used_last_are_kept(tmp_path: Path) -> None:
    homes = [home_of(replace(SPEC, fingerprint=str(one)), "auto", tmp_path) for one in range(6)]
    for age, home in enumerate(homes):
        written(home)
        os.utime(home, (1000 + age, 1000 + age))
    find(homes[0], tmp_path)  # used just now

    forget_oldest(homes[0])

    assert [home.exists() for home in homes] == [True, False, False, True, True, True]
