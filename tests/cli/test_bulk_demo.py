"""What `make demo-ray` runs."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest

from tests.cli.making import made

pytestmark = pytest.mark.engines


def test_make_demo_ray_encodes_on_a_cluster_and_leaves_nothing_to_the_daemon() -> None:
    with tempfile.TemporaryDirectory(prefix="clipd-") as name:  # short: Ray's sockets lie in it
        shown = made("demo-ray", Path(name))
        left = list(Path(name).glob("clipd-*"))

    assert shown.returncode == 0, shown.stderr
    encoded, refused = re.findall(r"^(\d+) encoded, (\d+) refused", shown.stdout, re.MULTILINE)[0]
    assert int(encoded) >= 100
    assert refused == "0"
    assert f"{encoded} taken in" in shown.stdout
    assert f"idle: {encoded} photos" in shown.stdout
    assert "\n0 decoded, 0 encoded\n" in shown.stdout
    assert len(re.findall(r"^0\.\d+\t.*/\d+ sunset\.jpg$", shown.stdout, re.MULTILINE)) == 3
    assert left == []
