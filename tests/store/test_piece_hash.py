"""However a file was cut when it was written, its hash is that of its bytes."""

from __future__ import annotations

import hashlib
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipd.errors import CheckStoppedError
from clipd.store import piece_hash
from clipd.store.pace import Pace
from clipd.store.piece_hash import PieceHash, checksum_of_pieces, hash_of_pieces


def written(pieces: list[bytes]) -> PieceHash:
    digest = PieceHash()
    for piece in pieces:
        digest.update(piece)
    return digest


@given(pieces=st.lists(st.binary(max_size=40), max_size=12))
@settings(max_examples=60, deadline=None)
def test_what_was_hashed_as_it_was_written_is_what_is_read(
    pieces: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(piece_hash, "_PIECE_BYTES", 16)
        file = tmp_path_factory.mktemp("hash") / "file"
        whole = b"".join(pieces)
        file.write_bytes(whole)
        parts = [whole[start : start + 16] for start in range(0, len(whole), 16)]
        plain = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts))
        sums = hashlib.sha256(b"".join(zlib.crc32(part).to_bytes(4, "big") for part in parts))

        with file.open("rb") as stream:
            assert hash_of_pieces(stream) == written(pieces).hexdigest() == plain.hexdigest()
            assert hash_of_pieces(stream, Pace()) == plain.hexdigest()
            assert checksum_of_pieces(stream) == written(pieces).checksum() == sums.hexdigest()


def test_a_flipped_bit_anywhere_makes_another_hash_and_checksum(tmp_path: Path) -> None:
    data = bytearray(BytesIO(bytes(range(256)) * 100_000).getvalue())  # more than three pieces
    file = tmp_path / "file"
    hashes, checksums = set(), set()
    for place in (None, 0, 8 << 20, (8 << 20) - 1, len(data) - 1):
        flipped = bytearray(data)
        if place is not None:
            flipped[place] ^= 1
        file.write_bytes(flipped)
        with file.open("rb") as stream:
            hashes.add(hash_of_pieces(stream))
            checksums.add(checksum_of_pieces(stream))

    assert len(hashes) == len(checksums) == 5


def test_a_check_that_is_told_to_end_does(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(1000))
    pace = Pace()
    pace.stop()
    with file.open("rb") as stream, pytest.raises(CheckStoppedError):
        hash_of_pieces(stream, pace)
