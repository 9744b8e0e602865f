"""Names that are not words: each is carried whole and printed safely."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.daemon import album
from tests.daemon.harness import Daemon
from tests.daemon.wire import paths_of

pytestmark = pytest.mark.slow


NAMES = (
    b"\xff\xfe not utf-8 \xe9.jpg",
    b"two\nlines\r.jpg",
    b"tab\tbell\a escape \x1b[31m.jpg",
    "composed é.jpg".encode(),
    "decomposed e\u0301.jpg".encode(),
    "right to left \u202e gpj.jpg".encode(),
    b'quote " and \\ backslash.jpg',
    b"-n 5.jpg",
    b" .jpg",
    "\U0001f305 日の出.jpg".encode(),
    b"l" * 251 + b".jpg",
)


def test_every_name_that_a_file_can_have_is_carried_whole(shared: Daemon, folder: Path) -> None:
    base = os.fsencode(folder)
    for name in NAMES:
        with open(base + b"/" + name, "wb") as file:
            file.write(album.picture("sunset", seed=200 + NAMES.index(name)))

    shared.wait_found(folder, NAMES)

    bare = shared.ctl("search", "-0", "-n", "1000", "sunset").stdout.split(b"\0")
    assert {base + b"/" + name for name in NAMES} <= set(bare)
    plain = shared.ctl("search", "-n", "1000", "sunset").stdout
    assert b"\x1b" not in plain
    assert all(line.count(b"\t") >= 1 for line in plain.splitlines())
    answer = json.loads(shared.ctl("search", "--json", "-n", "1000", "sunset").stdout)
    assert {base + b"/" + name for name in NAMES} <= set(paths_of(answer["hits"]))
    for name in NAMES:
        best = shared.ctl("similar", "-0", "-n", "1", base + b"/" + name).stdout
        assert best == base + b"/" + name + b"\0"
    os.rename(base + b"/" + NAMES[0], base + b"/\xfe renamed.jpg")
    shared.wait_found(folder, [b"\xfe renamed.jpg", *NAMES[1:]])
    shared.verify()
