"""A folder of parts is whole after every kill, and what is in it is not done again."""

from __future__ import annotations

import json
import os
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from clipd.bulk.batch import RefusedFile
from clipd.bulk.part_folder import MOST_ROWS, REFUSED, parts_in, writing_parts
from clipd.bulk.part_source import reading_parts
from clipd.errors import BulkError, VectorFileError
from clipd.photo import FailureKind
from clipd.store.vector_file import PortableFile, PortablePhoto
from tests.bulk.making import SPEC, photo


def read(folder: Path) -> list[PortablePhoto]:
    with reading_parts(folder) as source:
        source.check(lambda done: None)
        return [each for page in source.pages(3, with_files=True) for each in page]


def file_of(number: int) -> PortableFile:
    return photo(number).files[0]


def refusal(number: int, kind: FailureKind) -> RefusedFile:
    return RefusedFile(file_of(number), kind, "a reason")


def fill(folder: Path, *numbers: int) -> None:
    with writing_parts(folder, SPEC) as parts:
        parts.add([photo(number) for number in numbers], [])
        parts.publish()


def outcome(folder: Path) -> str | list[PortablePhoto]:
    """Read a folder; return the name of the part that is damaged where one is."""
    try:
        return read(folder)
    except VectorFileError as error:
        return next(word for word in re.split("[ /:]", str(error)) if word.startswith("part-"))


@contextmanager
def a_disk_that_is_full(at_bytes: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (at_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_was_taken_is_read_back_as_it_was(tmp_path: Path) -> None:
    fill(tmp_path / "v", 1, 2, 3)
    fill(tmp_path / "v", 4)

    assert read(tmp_path / "v") == [photo(number) for number in (1, 2, 3, 4)]
    assert [file.name for _, file in parts_in(tmp_path / "v")] == [
        "part-00000.parquet",
        "part-00001.parquet",
    ]


def test_only_the_user_can_read_it(tmp_path: Path) -> None:
    with writing_parts(tmp_path / "v", SPEC) as parts:
        parts.add([photo(1)], [refusal(2, "corrupt")])
        parts.publish()

    assert (tmp_path / "v").stat().st_mode & 0o77 == 0
    assert not [file for file in (tmp_path / "v").iterdir() if file.stat().st_mode & 0o77]


def test_a_later_run_knows_what_is_done_and_what_has_changed(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    with writing_parts(tmp_path, SPEC) as parts:
        assert [number for number, _ in parts_in(tmp_path)] == [0]
        assert parts.knows(file_of(1))
        assert not parts.knows(file_of(2))
        assert not parts.knows(replace(file_of(1), mtime_ns=5))
        assert not parts.knows(replace(file_of(1), size_bytes=5))
        assert not parts.knows(replace(file_of(1), path=b"/elsewhere.jpg"))


@pytest.mark.parametrize(("kind", "is_known"), [("corrupt", True), ("unreadable", False)])
def test_a_refusal_is_kept_unless_it_may_pass(
    tmp_path: Path, kind: FailureKind, is_known: bool
) -> None:
    with writing_parts(tmp_path, SPEC) as parts:
        parts.add([], [refusal(1, kind)])
        assert parts.publish() == ""
    with writing_parts(tmp_path, SPEC) as parts:
        assert parts.knows(file_of(1)) is is_known
    lines = (tmp_path / REFUSED).read_text().splitlines()
    paths = [os.fsencode(json.loads(line)["path"]) for line in lines]
    assert paths == [file_of(1).path] * is_known


def test_a_line_that_a_kill_cut_short_hides_no_other(tmp_path: Path) -> None:
    with writing_parts(tmp_path, SPEC) as parts:
        parts.add([], [refusal(1, "corrupt"), refusal(2, "corrupt")])
        parts.publish()
    text = (tmp_path / REFUSED).read_text()
    (tmp_path / REFUSED).write_text(text[:-20])
    with writing_parts(tmp_path, SPEC) as parts:
        assert parts.knows(file_of(1))
        assert not parts.knows(file_of(2))


def test_what_a_kill_left_behind_is_swept_and_nothing_else(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    for name in (".part-00001.parquet.x8d_2.tmp", "part-00001.parquet.txt", ".mine.tmp"):
        (tmp_path / name).write_bytes(b"PAR1")
    fill(tmp_path, 2)

    assert sorted(file.name for file in tmp_path.iterdir()) == [
        ".lock",
        ".mine.tmp",
        "part-00000.parquet",
        "part-00001.parquet",
        "part-00001.parquet.txt",
    ]
    assert len(read(tmp_path)) == 2


def test_a_part_is_due_when_it_is_full(tmp_path: Path) -> None:
    with writing_parts(tmp_path, SPEC) as parts:
        parts.add([photo(1)], [])
        assert not parts.is_due
        parts.add([photo(1)] * (MOST_ROWS - 1), [])
        assert parts.is_due


def test_two_runs_do_not_write_into_one_folder(tmp_path: Path) -> None:
    with (
        writing_parts(tmp_path, SPEC),
        pytest.raises(BulkError, match="another bulk run"),
        writing_parts(tmp_path, SPEC),
    ):
        pass


def test_vectors_of_two_models_do_not_mix(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    other = replace(SPEC, name="other", fingerprint="e" * 64)
    with (
        pytest.raises(BulkError, match=r"holds vectors of tiny .* name another folder"),
        writing_parts(tmp_path, other),
    ):
        pass


def test_a_folder_of_two_models_is_refused_when_it_is_read(tmp_path: Path) -> None:
    fill(tmp_path / "a", 1)
    with writing_parts(tmp_path / "b", replace(SPEC, fingerprint="e" * 64)) as parts:
        parts.add([photo(2)], [])
        parts.publish()
    (tmp_path / "b" / "part-00000.parquet").rename(tmp_path / "a" / "part-00001.parquet")

    with pytest.raises(VectorFileError, match=r"part-00001\.parquet is of the model"):
        read(tmp_path / "a")


def test_a_full_disk_costs_no_part_and_leaves_no_half_one(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    with writing_parts(tmp_path, SPEC) as parts:
        parts.add([photo(number) for number in range(200)], [])
        with a_disk_that_is_full(3000), pytest.raises(BulkError, match="make room"):
            parts.publish()
        assert len(read(tmp_path)) == 1
        assert [file.name for file in tmp_path.iterdir() if "tmp" in file.name] == []
        assert parts.publish() == "part-00001.parquet"
    assert len(read(tmp_path)) == 201


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(BulkError, match=r"cannot write into .*; name another folder"),
        writing_parts(tmp_path / "file" / "below", SPEC),
    ):
        pass


@pytest.mark.parametrize("keep", [0, 3, 100, -9, -1])
def test_a_part_that_was_cut_short_is_told_by_name(tmp_path: Path, keep: int) -> None:
    fill(tmp_path, *range(50))
    part = tmp_path / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:keep])

    for attempt in (read, lambda folder: fill(folder, 1)):
        with pytest.raises(VectorFileError, match=r"part-00000\.parquet.* delete it"):
            attempt(tmp_path)


def test_no_flipped_bit_changes_a_photo_unseen(tmp_path: Path) -> None:
    fill(tmp_path, *range(50))
    part = tmp_path / "part-00000.parquet"
    content, whole = part.read_bytes(), read(tmp_path)
    for place in range(0, len(content), 97):
        flipped = bytearray(content)
        flipped[place] ^= 0x10
        part.write_bytes(flipped)
        assert outcome(tmp_path) in ("part-00000.parquet", whole), place


def test_a_folder_without_parts_is_told(tmp_path: Path) -> None:
    with pytest.raises(VectorFileError, match="holds no parts"):
        read(tmp_path)
    with pytest.raises(VectorFileError, match="No such file"):
        read(tmp_path / "nowhere")
