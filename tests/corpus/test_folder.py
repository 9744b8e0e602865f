"""Our own corpus has what the tests that use it count on."""

from pathlib import Path

import pytest

from tests.corpus.folder import MANIFEST, manifest, paint

READ = {"JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF"}


PROFILED = ("formats/jpeg/profile.jpg", "formats/png/rgb.png")


def tree(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file() and file.name != MANIFEST)
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paint(tmp_path_factory.mktemp("corpus"))


def test_the_manifest_names_every_file(painted: Path) -> None:
    assert manifest(painted).keys() == tree(painted).keys()


@pytest.mark.slow
def test_it_is_the_same_every_time(painted: Path, tmp_path: Path) -> None:
    one, other = tree(painted), tree(paint(tmp_path))

    differing = {path for path in one if one[path] != other.get(path)}
    # Encoders write the time of day into a film and into the profile of a colour space.
    assert differing <= {"formats/avif/animated.avif", *PROFILED}


def test_it_has_every_format_that_is_read_and_every_kind_of_refusal(painted: Path) -> None:
    known = manifest(painted).values()

    formats = {row["fmt"] for row in known if "fmt" in row and "refused" not in row}
    assert formats == READ | {"MPO", "RAW"}
    kinds = {kind for row in known for kind in row.get("refused", ())}
    assert kinds == {"any", "skipped", "unsupported", "corrupt", "empty", "too-large"}
