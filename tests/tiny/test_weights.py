import subprocess
import sys
from pathlib import Path

import pytest

from clipd.tiny.weights import CONFIG, HERE, PACKED, checkpoint

LIMIT_BYTES = 5_000_000


def test_everything_shipped_stays_under_five_megabytes() -> None:
    shipped = [*HERE.glob("*.json"), *HERE.glob("*.gz"), *HERE.glob("*.md"), *HERE.rglob("*.py")]
    assert {CONFIG, PACKED} <= set(shipped)
    assert sum(path.stat().st_size for path in shipped) < LIMIT_BYTES


def test_the_checkpoint_is_unpacked_once_and_leaves_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "cache"
    first = checkpoint(folder)
    written = first.stat()
    second = checkpoint(folder)
    assert first == second
    assert first.suffix == ".safetensors"
    assert second.stat().st_ino == written.st_ino
    assert second.stat().st_mtime_ns == written.st_mtime_ns
    assert list(folder.iterdir()) == [first]


def test_a_damaged_copy_is_unpacked_anew(tmp_path: Path) -> None:
    copy = checkpoint(tmp_path)
    good = copy.read_bytes()
    for bad in (good[:-1], good[:5000] + bytes([good[5000] ^ 1]) + good[5001:], b""):
        copy.write_bytes(bad)
        assert checkpoint(tmp_path).read_bytes() == good
    assert list(tmp_path.iterdir()) == [copy]


def test_an_unpacking_that_fails_leaves_no_file_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torn = tmp_path / "torn.gz"
    torn.write_bytes(PACKED.read_bytes()[:100_000])
    monkeypatch.setattr("clipd.tiny.weights.PACKED", torn)
    folder = tmp_path / "cache"
    with pytest.raises(EOFError):
        checkpoint(folder)
    assert list(folder.iterdir()) == []


def test_other_weights_get_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = checkpoint(tmp_path)
    other = tmp_path / "other.gz"
    # A gzip file may hold several members; an empty one changes the bytes, not the content.
    other.write_bytes(PACKED.read_bytes() + b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x03\0\0\0\0\0\0\0\0\0")
    monkeypatch.setattr("clipd.tiny.weights.PACKED", other)
    assert checkpoint(tmp_path) != first


def test_naming_the_checkpoint_imports_nothing_heavy() -> None:
    code = (
        "import sys, clipd.tiny, clipd.tiny.weights; "
        "print({'torch', 'open_clip', 'PIL', 'numpy'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert answer.stdout.strip() == b"set()"
