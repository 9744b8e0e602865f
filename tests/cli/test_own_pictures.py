import os
import subprocess
import sys
from pathlib import Path

import pytest
from pathspec import GitIgnoreSpec

from clipd.cli.own_pictures import _all_but, _pictures
from clipd.pocket.scenes import draw

PATIENCE_SECONDS = 240
NAMES = ("a.jpg", "b c!/#1 [x].png", "b c!/d/e*.webp", "b c!/left.jpg", "z.txt", ".hidden/h.jpg")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pictures = tmp_path / "Pictures"
    for name in NAMES:
        (pictures / name).parent.mkdir(parents=True, exist_ok=True)
        (pictures / name).touch()
    return pictures


def test_pictures_are_found_by_name_and_hidden_ones_left_out(folder: Path) -> None:
    assert list(_pictures(folder)) == [
        "a.jpg",
        "b c!/#1 [x].png",
        "b c!/left.jpg",
        "b c!/d/e*.webp",
    ]


def test_all_but_the_chosen_pictures_is_left_out_and_other_folders_are_not_entered(
    folder: Path,
) -> None:
    chosen = ["a.jpg", "b c!/#1 [x].png", "b c!/d/e*.webp"]
    spec = GitIgnoreSpec.from_lines(_all_but(chosen))
    assert not any(spec.match_file(path) for path in (*chosen, "b c!/", "b c!/d/"))
    left = ("z.txt", "b c!/left.jpg", "other/", "b c!/f/", "b c!/d/ex.webp", "b c!/d/new.jpg")
    assert all(spec.match_file(path) for path in left)


@pytest.mark.slow
def test_a_demo_of_a_folder_reads_only_and_answers_what_is_typed(tmp_path: Path) -> None:
    pictures = tmp_path / "Pictures"
    pictures.mkdir()
    for scene in ("a cat", "sunset", "pizza"):
        draw(scene, 3).save(pictures / f"{scene}.jpg")
    before = {file: file.stat().st_mtime_ns for file in pictures.iterdir()}
    (tmp_path / "tmp").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "clipd", "demo", str(pictures), "--limit", "2"],
        env={**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path / "tmp")},
        input="a cat\nzorblax\n\n",
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert "looked at 2 pictures" in done.stdout
    assert f"{pictures}/a cat.jpg" in done.stdout
    assert f"{pictures}/sunset.jpg" not in done.stdout  # the third by name
    assert 'knows nothing of "zorblax"' in done.stderr
    assert {file: file.stat().st_mtime_ns for file in pictures.iterdir()} == before
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_folder_without_pictures_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "clipd", "demo", str(tmp_path)],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert (done.returncode, done.stdout) == (4, "")
    assert f"{tmp_path} holds no pictures; name another folder" in done.stderr
