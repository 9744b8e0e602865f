"""docs/api.md against the server: its curl lines run, its answers have the keys it shows."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from clipd.json_types import JsonValue
from clipd.serve.middleware import MAX_HEADER_BYTES
from tests.serve.answering import HITS, GivenService, failure, running

DOCS = Path(__file__).parents[2] / "docs" / "api.md"
CODES = re.compile(r'(?:RequestError\(|refused\(|refuse\(\d+, )\s*"([a-z_]+)"')


def examples() -> list[tuple[list[str], JsonValue]]:
    """Return the curl lines of each block, with the JSON shown after it (None: nothing is)."""
    blocks = re.findall(r"```sh\n(.*?)```\n(?:```json\n(.*?)```)?", DOCS.read_text(), re.DOTALL)
    return [(lines.splitlines(), json.loads(shown) if shown else None) for lines, shown in blocks]


def shape(value: JsonValue) -> object:
    """Return the keys of a value, all the way down, without what it says."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value else type(value).__name__


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_every_curl_line_runs_and_answers_with_the_keys_that_are_shown(folder: Path) -> None:
    (folder / "picture.jpg").write_bytes(b"\xff\xd8 a picture")
    service = GivenService(
        hits=HITS[:1],
        failures=(failure(b"/photos/cut.jpg", "corrupt", "cut short"),),
        states=[DOCUMENTED_STATUS],
    )
    found = examples()
    assert len(found) >= 9
    with running(folder, service) as path:
        for lines, shown in found:
            for line in lines:
                done = subprocess.run(
                    ["bash", "-c", line],
                    cwd=folder,
                    env={"CLIPD_SOCKET": str(path), "PATH": "/usr/bin:/bin"},
                    capture_output=True,
                    timeout=30,
                    check=True,
                )
                answer = json.loads(done.stdout)
                if shown is not None and "verify" not in line:
                    assert shape(answer) == shape(shown), line
                assert ("error" in answer) is (isinstance(shown, dict) and "error" in shown), line


DOCUMENTED_STATUS: dict[str, JsonValue] = {
    "pid": 1,
    "state": "indexing",
    "photos": 1,
    "paths": 1,
    "errors": 1,
    "backlog": 1,
    "decoded": 1,
    "encoded": 1,
    "encoder": {
        "state": "ready",
        "doing": "",
        "model": "pocket",
        "runtime": "openvino",
        "device": "cpu",
        "precision": "bf16",
        "reason": "",
    },
    "index": {
        "kind": "fp16",
        "count": 1,
        "lists": 0,
        "nprobe": 0,
        "recall": 1.0,
        "changes": 0,
        "merging": False,
        "behind": 0,
        "away": "",
    },
    "roots": [{"path": "/photos", "state": "online"}],
}


def test_every_code_that_the_server_writes_is_documented() -> None:
    package = DOCS.parents[1] / "clipd"
    files = [*package.glob("*.py"), *package.glob("serve/*.py")]
    source = "".join(file.read_text() for file in files)
    written = set(CODES.findall(source))
    assert len(written) > 15
    documented = set(re.findall(r"`([a-z_]+)`", DOCS.read_text().partition("## Refusals")[2]))
    assert written <= documented
    assert f"{MAX_HEADER_BYTES >> 10} KiB" in DOCS.read_text()
