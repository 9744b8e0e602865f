from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# Decodes the corpus in one process without a sandbox, and prints what was imported meanwhile:
# in the sandbox those imports would fail, and good photos be called broken.
LATE_IMPORTS = """
import sys, warnings
from pathlib import Path
from clipd.decode.codecs import load_codecs
from clipd.decode.formats import sniff
from clipd.decode.picture import read_picture
from clipd.decode.settings import Target
import clipd.decode.reasons
load_codecs(with_raw=False)
warnings.simplefilter("ignore")
before = set(sys.modules)
for path in Path(sys.argv[1]).rglob("*"):
    with open(path, "rb") if path.is_file() else open("/dev/null", "rb") as file:
        try:
            format_ = sniff(file.read(512))
            file.seek(0)
            read_picture(file, format_ or "JPEG", Target(32), 10**8)
        except Exception as error:
            clipd.decode.reasons.picture_error(error, "JPEG")
print(*sorted(set(sys.modules) - before))
"""


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["photos", "exif", "formats", "hostile"])
def test_nothing_is_imported_once_decoding_has_begun(corpus: Path, folder: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LATE_IMPORTS, str(corpus / folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []
