"""One bit is not what was written: in a vector, in the saved index, anywhere in the catalog."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from clipd.store.faults import suspect_mark
from tests.daemon.harness import Daemon
from tests.faults.dice import rounds
from tests.faults.oracle import (
    assert_agreement,
    assert_each_leads_by_its_vector,
    catalog_file,
    disk,
    like,
)
from tests.faults.pictures import picture

pytestmark = [pytest.mark.slow, pytest.mark.faults]

_KNOWN = 30
_TOP_OF_EXPONENT = (
    0x40  # in the upper byte of a number in fp16: it becomes thousands of times larger
)


@pytest.fixture
def stopped(daemon: Daemon, root: Path) -> Daemon:
    """A daemon that knows some photos and was stopped."""
    for number in range(_KNOWN):
        (root / f"{number}.bmp").write_bytes(picture(number))
    daemon.start()
    assert_agreement(daemon, disk(root))
    daemon.stop()
    return daemon


def _saved_indexes(daemon: Daemon) -> list[Path]:
    kept = (".sqlite", "-wal", "-shm", "lock")
    files = [file for file in daemon.state_folder().rglob("*") if file.is_file()]
    files += [file for file in (daemon.home / "cache").rglob("*faiss*") if file.is_file()]
    return [file for file in files if not file.name.endswith(kept) and file.stat().st_size]


def _flip_in_vector(daemon: Daemon, photo: bytes) -> None:
    """Flip a bit of a photo's vector in the file, behind SQLite's back."""
    file = catalog_file(daemon)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        ((vector,),) = connection.execute(
            "SELECT vector FROM vectors JOIN paths USING (photo_id) WHERE name = ?", (photo,)
        ).fetchall()
    damaged = bytearray(vector)
    damaged[21] ^= _TOP_OF_EXPONENT
    # SQLite leaves a dead copy behind when it moves a row to another page: damage to that one
    # alone would be none.
    file.write_bytes(file.read_bytes().replace(vector, damaged))


def _verdict(daemon: Daemon, *options: str) -> tuple[int, dict[str, object]]:
    done = daemon.ctl("verify", "--json", *options, ok=False)
    verdict = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(verdict, dict)
    return done.returncode, verdict


@pytest.mark.parametrize("has_saved_index", [True, False])
def test_a_flipped_bit_in_a_vector_is_found_and_leads_no_search(
    stopped: Daemon, root: Path, has_saved_index: bool
) -> None:
    _flip_in_vector(stopped, b"7.bmp")
    if not has_saved_index:
        for file in _saved_indexes(stopped):
            file.unlink()

    stopped.start()
    stopped.wait_idle()
    scores = [hit["score"] for n in range(_KNOWN) for hit in like(stopped, picture(n))]
    assert max(scores) < 1.001
    if has_saved_index:  # whose copy is whole: only a look at the catalog tells
        assert _verdict(stopped)[0] == 1
        _verdict(stopped, "--repair")

    assert_agreement(stopped, disk(root), pictures=_KNOWN)
    stopped.stop()


def test_a_flipped_bit_in_a_saved_index_is_not_trusted(
    stopped: Daemon, root: Path, dice: random.Random
) -> None:
    saved = {file: file.read_bytes() for file in _saved_indexes(stopped)}
    assert saved
    for _ in range(rounds(60)):
        for file, content in saved.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(_flipped(content, dice.randrange(len(content)), dice))
        stopped.start()
        assert_agreement(stopped, disk(root), pictures=0)
        assert_each_leads_by_its_vector(stopped, disk(root))
        assert stopped.status()["encoded"] == 0
        stopped.stop()


@pytest.mark.parametrize("mend", ["restart", "verify"])
def test_a_flipped_bit_in_the_catalog_ends_with_what_the_disk_holds(
    stopped: Daemon, root: Path, dice: random.Random, mend: str
) -> None:
    home, pristine = stopped.state_folder(), stopped.home / "pristine"
    shutil.copytree(home, pristine)
    size = (pristine / catalog_file(stopped).name).stat().st_size

    for _ in range(rounds(30)):
        shutil.rmtree(home)
        shutil.copytree(pristine, home)
        file = catalog_file(stopped)
        at = dice.randrange(size)
        file.write_bytes(_flipped(file.read_bytes(), at, dice))
        try:
            _assert_mended(stopped, root, mend)
        except BaseException as error:
            error.add_note(f"a bit of the byte at {at}, page {at // 8192 + 1}")
            raise


def _assert_mended(daemon: Daemon, root: Path, mend: str) -> None:
    daemon.start()
    daemon.wait_idle()
    if mend == "verify":
        _repair(daemon)
        assert_agreement(daemon, disk(root), pictures=6)
    else:  # nothing that is shown may be wrong, though nobody has looked for it
        assert all(hit["score"] < 1.001 for n in range(6) for hit in like(daemon, picture(n)))
    daemon.stop()


def _repair(daemon: Daemon) -> None:
    """Have all mended, once more where the catalog itself was set aside."""
    mark = suspect_mark(catalog_file(daemon))
    daemon.ctl("verify", "--disk", "--deep", "--repair", ok=False)
    daemon.wait_until(lambda: not mark.exists(), what="the catalog is opened anew")
    daemon.wait_idle()
    daemon.ctl("verify", "--disk", "--deep", "--repair", ok=False)


def _flipped(content: bytes, at: int, dice: random.Random) -> bytes:
    return content[:at] + bytes([content[at] ^ (1 << dice.randrange(8))]) + content[at + 1 :]
