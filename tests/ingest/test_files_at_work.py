"""Which files are at work, from the decoder to the end of the turn that recorded them."""

from __future__ import annotations

import pytest

from clipd.ingest.claims import Claims
from clipd.ingest.files_at_work import FilesAtWork
from clipd.ingest.settling import ToRead

CONTENT = b"h" * 16


@pytest.fixture
def claims() -> Claims:
    return Claims(lambda content_hash: False, lambda job, outcome: None)


def test_a_file_is_at_work_until_the_turn_that_recorded_it_has_ended(claims: Claims) -> None:
    files = FilesAtWork(claims)
    file = ToRead(b"/photos/a.jpg", 1)
    assert not files

    ticket = files.begin(file)
    assert (files.in_decoders, files.count, file.path in files) == (1, 1, True)

    assert files.come_back(ticket) == file
    files.end_turn()
    assert (files.in_decoders, files.count, file.path in files) == (0, 1, True)  # it is encoded

    files.touch(file.path)
    files.leave(file.path)
    assert files
    assert file.path in files
    files.end_turn()
    assert not files
    assert files.count == 0


def test_the_claim_on_a_content_ends_with_the_turn(claims: Claims) -> None:
    files = FilesAtWork(claims)
    assert not claims.is_known(CONTENT)
    files.begin(ToRead(b"/photos/a.jpg", 1))

    files.leave(b"/photos/a.jpg", CONTENT)
    assert claims.is_known(CONTENT)  # a copy of it still waits for the first

    files.end_turn()
    assert not claims.is_known(CONTENT)


def test_a_failed_turn_loses_what_it_looked_at_but_not_what_is_still_under_way(
    claims: Claims,
) -> None:
    files = FilesAtWork(claims)
    decoded, encoded = (
        files.begin(ToRead(path, 1)) for path in (b"/photos/decoded", b"/photos/encoded")
    )
    files.come_back(encoded)
    files.end_turn()

    files.touch(b"/photos/only looked at")
    files.come_back(decoded)  # goes on to the encoder: nothing of it was to be recorded
    files.touch(b"/photos/encoded")
    files.leave(b"/photos/encoded")

    assert files.lost() == [b"/photos/only looked at", b"/photos/encoded"]
    files.end_turn()
    assert files.lost() == []
    assert b"/photos/decoded" in files
    assert b"/photos/encoded" not in files
