from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st

from clipd.pathtext import one_line, path_fields, shown


@given(st.binary())
def test_the_fields_of_a_path_give_back_its_bytes(path: bytes) -> None:
    fields = path_fields(path)
    exact = fields.get("path_b64")
    assert (base64.b64decode(exact) if exact else fields["path"].encode()) == path


@given(st.binary())
def test_a_shown_path_in_one_line_cannot_break_it_or_drive_a_terminal(path: bytes) -> None:
    line = one_line(shown(path))
    assert len(line.splitlines()) <= 1
    assert not any(ord(character) < 32 or 126 < ord(character) < 160 for character in line)


def test_ordinary_names_are_shown_as_they_are() -> None:
    for name in ("été à Paris.jpg", "Screenshot\u202f1.png", "家族.heic", "👩‍👩‍👧.jpg", "a\\b"):
        assert one_line(shown(name.encode())) == name


def test_what_would_reorder_a_name_is_shown_as_its_code() -> None:
    assert one_line("a\u202egpj.exe") == "a\\u202egpj.exe"
