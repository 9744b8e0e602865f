from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clipd.ctl.last_list import ListedPhoto
from clipd.ctl.photo_copies import copy_photos
from clipd.errors import RequestError

MIB = 1 << 20


def listed(file: Path) -> ListedPhoto:
    return ListedPhoto(os.fsencode(file))


def big(file: Path, size: int = 64 * MIB) -> Path:
    with file.open("wb") as stream:
        for _ in range(size // MIB):
            stream.write(os.urandom(MIB))
    return file


def test_a_pipe_a_folder_and_what_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    photos = [listed(tmp_path / "pipe"), listed(tmp_path), listed(tmp_path / "absent")]
    report = copy_photos(photos, os.fsencode(tmp_path / "new"), is_link=False)
    assert [reason for _, reason in report.passed_over] == [
        "it is not a file",
        "it is not a file",
        "there is no such file",
    ]
    assert list((tmp_path / "new").iterdir()) == []


def test_a_name_that_is_no_text_is_copied_with_its_bytes(tmp_path: Path) -> None:
    photo = os.fsencode(tmp_path) + b"/caf\xe9.tar.jpg"
    for data in (b"one", b"two"):
        with open(photo, "wb") as file:
            file.write(data)
        copy_photos([ListedPhoto(photo)], os.fsencode(tmp_path / "new"), is_link=False)
    assert sorted(os.listdir(os.fsencode(tmp_path / "new"))) == [
        b"caf\xe9.tar (2).jpg",
        b"caf\xe9.tar.jpg",
    ]


COPY = """
import os, sys
from clipd.ctl.last_list import ListedPhoto
from clipd.ctl.photo_copies import copy_photos
print("begun", flush=True)
copy_photos([ListedPhoto(os.fsencode(sys.argv[1]))], os.fsencode(sys.argv[2]), is_link=False)
"""


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_copy_that_breaks_off_leaves_no_half_photo(tmp_path: Path, end: signal.Signals) -> None:
    photo, folder = big(tmp_path / "a.jpg"), tmp_path / "new"
    for milliseconds in (1, 5, 20, 60):
        with subprocess.Popen(
            [sys.executable, "-P", "-c", COPY, photo, folder],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(milliseconds / 1000)  # the moment of the attack, nothing is waited for
            process.send_signal(end)
        for left in folder.glob("*.jpg"):
            assert left.stat().st_size == photo.stat().st_size
            left.unlink()


def test_a_disk_that_is_full_is_said_to_be_and_nothing_is_half(tmp_path: Path) -> None:
    photo, folder = big(tmp_path / "a.jpg", 2 * MIB), tmp_path / "new"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, before[1]))
    try:
        report = copy_photos([listed(photo)], os.fsencode(folder), is_link=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert [reason for _, reason in report.passed_over] == ["File too large"]
    assert list(folder.iterdir()) == []


def test_where_files_cannot_be_without_a_name_copies_are_whole_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So a kernel or a file system that does not know O_TMPFILE takes it: "open this folder".
    monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY)
    photo, folder = big(tmp_path / "a.jpg", 2 * MIB), tmp_path / "new"
    (made,) = copy_photos([listed(photo)], os.fsencode(folder), is_link=False).copied
    assert Path(os.fsdecode(made[1])).read_bytes() == photo.read_bytes()
    assert os.listdir(folder) == ["a.jpg"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_no_room_ends_the_copying_with_a_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    photos = [listed(big(tmp_path / f"{n}.jpg", 2 * MIB)) for n in range(3)]
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "none", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        with pytest.raises(RequestError, match=r"No space left.*1 copied before"):
            copy_photos(photos, os.fsencode(folder), is_link=False)
        assert [file.stat().st_size for file in folder.iterdir()] == [2 * MIB]
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(RequestError, match="Permission denied"):
        copy_photos([], os.fsencode(tmp_path), is_link=False)
