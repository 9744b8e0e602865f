from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from clipd.watch import filesystems
from clipd.watch.filesystems import (
    FileSystem,
    MountClock,
    filesystem_of,
    mounts_below,
    uuid_of,
)
from clipd.watch.statx import mount_id
from tests.watch.conftest import Mounting

MOUNTS = b"""\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 21 0:44 / /home/me/my\\040nas rw - nfs4 nas:/photos rw
31 21 0:45 / /mnt/phone rw - fuse.sshfs me@phone:/ rw
32 21 0:46 / /mnt/card rw - vfat /dev/sdb1 rw
33 21 0:47 / /mnt/card rw master:3 propagate_from:2 - ext4 /dev/sdc1 rw
34 21 0:48 / /mnt/ntfs rw - fuseblk /dev/sdd1 rw
"""


@pytest.mark.parametrize(
    ("path", "kind", "has_events", "has_stable_inodes"),
    [
        (b"/home/me/x", "ext4", True, True),
        (b"/home/me/my nas/x", "nfs4", False, True),
        (b"/home/me/my nas-2", "ext4", True, True),
        (b"/mnt/phone", "fuse.sshfs", False, False),
        (b"/mnt/card/dcim", "ext4", True, True),  # the later mount covers the earlier
        (b"/mnt/ntfs/x", "fuseblk", True, True),
    ],
)
def test_the_innermost_mount_tells_the_kind(
    path: bytes, kind: str, has_events: bool, has_stable_inodes: bool
) -> None:
    mounts = [filesystems._mount(line) for line in MOUNTS.splitlines()]
    _, found = filesystems._innermost(path, mounts)
    assert found.kind == kind
    assert found.has_events is has_events
    assert found.has_stable_inodes is has_stable_inodes


def test_fat_is_local_but_makes_up_its_inodes() -> None:
    card = FileSystem(b"/mnt/card", "vfat")
    assert card.has_events
    assert not card.has_stable_inodes


def test_the_real_list_of_mounts_is_read(tmp_path: Path) -> None:
    assert filesystem_of(b"/proc/self").kind == "proc"
    assert filesystem_of(bytes(tmp_path / "not there")).kind != "unknown"


def test_a_mount_below_a_folder_changes_its_set_of_mounts(
    tmp_path: Path, mounting: Mounting
) -> None:
    here, point = bytes(tmp_path), bytes(tmp_path / "mnt")
    before = mounts_below(here)
    mounting(tmp_path / "mnt")
    first = mounts_below(here)
    assert first == {**before, point: first[point]}
    subprocess.run(["umount", str(tmp_path / "mnt")], check=True)
    assert mounts_below(here) == before
    mounting(tmp_path / "mnt")
    assert mounts_below(here).keys() == first.keys()
    assert mount_id(point) in (0, mounts_below(here)[point])
    if mount_id(point):  # a kernel that numbers mounts for good
        assert mounts_below(here) != first
    beside = tmp_path / "beside"
    beside.mkdir()
    assert mounts_below(bytes(beside)) == {bytes(beside): before[here]}


def test_a_file_system_in_memory_has_another_uuid_each_time(
    tmp_path: Path, mounting: Mounting
) -> None:
    uuids = set()
    for _ in range(2):
        mounting(tmp_path / "mnt")
        uuids.add(uuid_of(bytes(tmp_path / "mnt")))
        subprocess.run(["umount", str(tmp_path / "mnt")], check=True)
    assert uuids == {""} or len(uuids) == 2  # kernels before 6.9 do not tell


def test_each_change_of_the_mounts_moves_the_clock_once(tmp_path: Path, mounting: Mounting) -> None:
    clock = MountClock()
    try:
        before = clock.now()
        assert clock.now() == before
        mounting(tmp_path / "mnt")
        after = clock.now()
        assert after > before
        assert clock.now() == after
        subprocess.run(["umount", str(tmp_path / "mnt")], check=True)
        assert clock.now() > after
    finally:
        clock.close()
