"""What docs/reliability.md and SECURITY.md name as proof is there."""

from __future__ import annotations

import re

from tests.daemon.commands import REPOSITORY

_PAGES = ("docs/reliability.md", "SECURITY.md")


def test_every_test_that_is_named_as_proof_is_there() -> None:
    for page in _PAGES:
        text = (REPOSITORY / page).read_text()
        named = set(re.findall(r"`(tests/[\w/]+\.py)`", text))
        assert named, page
        missing = [name for name in named if not (REPOSITORY / name).exists()]
        assert not missing, (page, missing)


def test_every_attack_is_in_the_page_of_promises() -> None:
    text = (REPOSITORY / "docs/reliability.md").read_text()
    attacks = {file.name for file in (REPOSITORY / "tests/faults").glob("test_*.py")}
    told = set(re.findall(r"test_\w+\.py", text))
    assert attacks - told <= {"test_promises.py"}, attacks - told
