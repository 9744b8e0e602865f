import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clipd.pocket.weights import CONFIG, HERE, PACKED, TowerError, checkpoint

LIMIT_BYTES = 8_000_000


def test_everything_shipped_stays_under_eight_megabytes() -> None:
    shipped = [path for path in HERE.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert {CONFIG, PACKED} <= set(shipped)
    assert sum(path.stat().st_size for path in shipped) < LIMIT_BYTES


def test_the_checkpoint_is_put_together_once_and_leaves_only_its_seal_beside_it(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "new" / "cache"
    first = checkpoint(folder)
    written = first.stat()
    second = checkpoint(folder)
    assert first == second
    assert first.suffix == ".safetensors"
    assert second.stat().st_ino == written.st_ino
    assert second.stat().st_mtime_ns == written.st_mtime_ns
    assert set(folder.iterdir()) == {first, first.with_suffix(".sha256")}


def test_several_who_need_it_at_once_get_the_same_file(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        inodes = list(pool.map(lambda _: checkpoint(tmp_path).stat().st_ino, range(4)))

    assert len(set(inodes)) == 1


def test_a_damaged_copy_is_put_together_anew(tmp_path: Path) -> None:
    copy = checkpoint(tmp_path)
    good = copy.read_bytes()
    for bad in (good[:-1], good[:5000] + bytes([good[5000] ^ 1]) + good[5001:], b""):
        copy.write_bytes(bad)
        assert checkpoint(tmp_path).read_bytes() == good
    copy.with_suffix(".sha256").unlink()
    assert checkpoint(tmp_path).read_bytes() == good


def test_packed_weights_that_are_torn_leave_no_file_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torn = tmp_path / "torn.gz"
    torn.write_bytes(PACKED.read_bytes()[:100_000])
    monkeypatch.setattr("clipd.pocket.weights.PACKED", torn)
    folder = tmp_path / "cache"
    with pytest.raises(EOFError):
        checkpoint(folder)
    assert list(folder.iterdir()) == []


def test_another_image_tower_is_refused_by_its_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipd.pocket.weights.TOWER_SHA256", "0" * 64)
    with pytest.raises(TowerError, match=r"is not the image tower that clipd knows: install"):
        checkpoint(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_image_tower_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipd.pocket.weights.TOWER_PACKAGE", "no_such_tower")
    with pytest.raises(TowerError, match=r"the package no-such-tower is not installed"):
        checkpoint(tmp_path)


def test_other_weights_get_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = checkpoint(tmp_path)
    other = tmp_path / "other.gz"
    # A gzip file may hold several members; an empty one changes the bytes, not the content.
    other.write_bytes(PACKED.read_bytes() + b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x03\0\0\0\0\0\0\0\0\0")
    monkeypatch.setattr("clipd.pocket.weights.PACKED", other)
    assert checkpoint(tmp_path) != first


@pytest.mark.slow
def test_the_image_tower_is_the_packages_own_to_the_last_bit(tmp_path: Path) -> None:
    import safetensors.torch
    import torch

    from clipd.pocket.weights import tower_file

    ours = safetensors.torch.load_file(checkpoint(tmp_path))
    tower = [name for name in ours if name.startswith("visual.trunk.")]
    theirs = list(torch.load(tower_file(), weights_only=True).values())
    assert len(tower) == len(theirs) - 2  # the classifier is left out
    for name, tensor in zip(tower, theirs, strict=False):
        assert torch.equal(ours[name], tensor), name


def test_naming_the_checkpoint_imports_nothing_heavy() -> None:
    code = (
        "import sys, clipd.pocket, clipd.pocket.weights; "
        "print({'torch', 'open_clip', 'PIL', 'timm'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert answer.stdout.strip() == b"set()"
