"""What it costs to read what photos say of themselves."""

from __future__ import annotations

import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from bench.inputs import twelve_megapixels
from clipd.decode.codecs import load_codecs
from clipd.decode.picture import read_headers, read_picture
from clipd.decode.settings import Target
from clipd.decode.sharpness import sharpness_of
from clipd.places import place_at
from clipd.store.catalog import Catalog
from tests.daemon.harness import Daemon

_LARGE = 24  # photos of 12 megapixels
_OLD = 1500  # photos that clipd 0.1 took in, and that are asked now
_MANY = 100_000  # photos in a catalog of 0.1
_SCHEMA_1 = Path(__file__).parents[1] / "tests" / "store" / "catalog_0_1.sql"
_MOST_PIXELS = 100_000_000


@dataclass(frozen=True, slots=True)
class MetadataCosts:
    """Of one photo in milliseconds, of a pass in photos a second, of a migration in seconds."""

    decode_ms: float
    headers_ms: float  # metadata with the opening of the file
    sharpness_ms: float
    place_ms: float
    pass_rate: float
    migration_seconds: float


def metadata_costs(folder: Path) -> MetadataCosts:
    """Measure all of it."""
    load_codecs(with_raw=False)
    photos = folder / "photos"
    twelve_megapixels(photos, _LARGE)
    files = [_with_exif(photo) for photo in sorted(photos.iterdir())]
    target = Target(256)
    small = Image.open(BytesIO(files[0]))
    small.draft("RGB", (512, 512))
    drafted = small.convert("RGB")
    place_at(0, 0)  # reads the file of places
    return MetadataCosts(
        _median_ms(lambda n: read_picture(BytesIO(files[n]), "JPEG", target, _MOST_PIXELS)),
        _median_ms(lambda n: read_headers(BytesIO(files[n]), "JPEG", b"", _MOST_PIXELS)),
        _median_ms(lambda n: sharpness_of(drafted)),
        _median_ms(lambda n: place_at(40 + n / 10, 10)),
        _pass_rate(folder / "old", files[0]),
        _migration_seconds(folder / "catalog.sqlite"),
    )


def _with_exif(photo: Path) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "Canon", "Canon EOS 80D"
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.DateTimeOriginal] = "2019:07:12 14:03:22"
    written = BytesIO()
    with Image.open(photo) as image:
        image.save(written, "JPEG", exif=exif, quality=88)
    return written.getvalue()


def _median_ms(work: Callable[[int], object]) -> float:
    readings = []
    for number in range(_LARGE):
        began = time.perf_counter()
        work(number)
        readings.append(time.perf_counter() - began)
    return 1000 * statistics.median(readings)


def _pass_rate(folder: Path, large: bytes) -> float:
    """Have a daemon take photos in, forget what they said, and ask them again."""
    photos = folder / "photos"
    photos.mkdir(parents=True)
    with Image.open(BytesIO(large)) as image:
        exif = image.getexif()
        written = BytesIO()
        image.resize((320, 240)).save(written, "JPEG", exif=exif)
    for number in range(_OLD):
        (photos / f"{number:05}.jpg").write_bytes(written.getvalue() + b"%d" % number)
    with tempfile.TemporaryDirectory(prefix="clipd-") as runtime:
        daemon = Daemon(folder / "home", Path(runtime), [photos])
        daemon.start()
        daemon.wait_until(lambda: daemon.status()["encoded"] >= _OLD, 600)
        daemon.stop()
        file = daemon.state_folder() / "catalog.sqlite"
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("DELETE FROM meta")
        daemon.start()
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            rate = _rate(connection, daemon)
        daemon.stop()
        daemon.close()
    return rate


def _rate(connection: sqlite3.Connection, daemon: Daemon) -> float:
    def read() -> int:
        return int(connection.execute("SELECT count(*) FROM meta").fetchone()[0])

    daemon.wait_until(read, 60)
    first, began = read(), time.perf_counter()
    daemon.wait_until(lambda: read() >= _OLD, 300)
    return (_OLD - first) / (time.perf_counter() - began)


def _migration_seconds(file: Path) -> float:
    """Open a catalog that clipd 0.1 wrote, of many photos."""
    vector = np.ones(512, np.float16).tobytes()
    ids = range(10, 10 + _MANY)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.executescript(_SCHEMA_1.read_text())
        connection.executemany(
            "INSERT INTO photos (id, content_hash, width, height, format, taken_at, added_at,"
            " left_at) VALUES (?, ?, 4000, 3000, 'JPEG', '', 5, 5)",
            ((photo, os.urandom(16)) for photo in ids),
        )
        connection.executemany(
            "INSERT INTO paths (root_id, folder, name, photo_id, size_bytes, mtime_ns, ctime_ns,"
            " inode, device) VALUES (1, ?, ?, ?, 4000000, 5, 5, ?, 7)",
            ((b"/photos/%04d" % (n // 100), b"%07d.jpg" % n, n, n) for n in ids),
        )
        connection.executemany(
            "INSERT INTO vectors (photo_id, model_id, vector) VALUES (?, 1, ?)",
            ((photo, vector) for photo in ids),
        )
    began = time.perf_counter()
    Catalog.open(file).close()
    return time.perf_counter() - began
