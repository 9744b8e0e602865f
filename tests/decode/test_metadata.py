"""What files of every format say of themselves, decoded and by their headers alone."""

from __future__ import annotations

import io
import os
import queue
import zlib
from pathlib import Path

import pytest
from PIL import ExifTags, Image, PngImagePlugin
from PIL.TiffImagePlugin import IFDRational

from clipd.decode.metadata import meta_of_tiff
from clipd.decode.pool import DecoderPool
from clipd.photo import Decoded, Fingerprint, Headers, Meta, Refused
from tests.corpus.dng import dng
from tests.decode.conftest import encoded, small_pool, two_colours
from tests.decode.test_iptc import UTF_8, dataset
from tests.decode.test_xmp import bag, packet

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "HEIF", "AVIF")
XMP = packet(bag("dc:subject", "sea", "Straße"), 'xmp:Rating="4"')
SECONDS = 30.0

pytestmark = pytest.mark.usefixtures("decode")  # its decoder is there before the first test


def some_exif() -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "Canon", "Canon EOS 80D"
    exif.get_ifd(ExifTags.IFD.Exif).update(
        {
            ExifTags.Base.DateTimeOriginal: "2019:07:12 14:03:22",
            ExifTags.Base.OffsetTimeOriginal: "+02:00",
            ExifTags.Base.LensModel: "EF50mm f/1.8 STM",
            ExifTags.Base.FocalLength: IFDRational(50, 1),
        }
    )
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(
        {
            ExifTags.GPS.GPSLatitudeRef: "N",
            ExifTags.GPS.GPSLatitude: (43.0, 46.0, 12.0),
            ExifTags.GPS.GPSLongitudeRef: "E",
            ExifTags.GPS.GPSLongitude: (11.0, 15.0, 0.0),
        }
    )
    return exif


EXPECTED = Meta(
    taken="2019-07-12T14:03:22",
    taken_from="exif",
    utc_offset_min=120,
    camera="Canon EOS 80D",
    lens="EF50mm f/1.8 STM",
    focal_mm=50.0,
    lat=43.77,
    lon=11.25,
    rating=4,
    tags=("sea", "Straße"),
    has_exif=True,
)


def written(format_: str) -> bytes:
    """Return a picture with all that Exif and XMP can say, as a file of a format."""
    exif = some_exif()
    if format_ == "TIFF":
        exif[700] = XMP
        return encoded(two_colours(), "TIFF", exif=exif.tobytes())
    if format_ != "PNG":
        return encoded(two_colours(), format_, exif=exif, xmp=XMP)
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=True)
    return encoded(two_colours(), "PNG", exif=exif, pnginfo=text)


def headers_of(pool: DecoderPool, path: Path) -> Headers:
    answers: queue.Queue[Headers | Refused] = queue.Queue()
    pool.read_headers(os.fsencode(path), 0, answers.put)
    answer = answers.get(timeout=SECONDS)
    assert isinstance(answer, Headers), answer
    return answer


def decoded(pool: DecoderPool, path: Path) -> Decoded:
    answer = pool.decode_now(os.fsencode(path))
    assert isinstance(answer, Decoded), answer
    return answer


def without_sharpness(meta: Meta) -> Meta:
    from dataclasses import replace

    assert meta.sharpness is not None
    return replace(meta, sharpness=None)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return tmp_path / "photo.jpg"


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_says_the_same_decoded_or_not(
    pool: DecoderPool, photo: Path, format_: str
) -> None:
    photo.write_bytes(written(format_))
    headers = headers_of(pool, photo)
    assert headers.meta == EXPECTED
    assert headers.fingerprint == Fingerprint.of(photo.stat())
    assert without_sharpness(decoded(pool, photo).meta) == EXPECTED


def test_exif_and_xmp_behind_the_pixels_of_a_png_are_found(pool: DecoderPool, photo: Path) -> None:
    plain, full = encoded(two_colours(), "PNG"), written("PNG")
    late = [piece for piece in chunks(full) if piece[4:8] in (b"eXIf", b"iTXt")]
    assert len(late) == 2
    end = chunks(plain)[-1]
    photo.write_bytes(plain[: -len(end)] + b"".join(late) + end)
    assert headers_of(pool, photo).meta == EXPECTED
    assert without_sharpness(decoded(pool, photo).meta) == EXPECTED


@pytest.mark.parametrize("format_", ["JPEG", "TIFF"])
def test_keywords_of_iptc_join_those_of_xmp(pool: DecoderPool, photo: Path, format_: str) -> None:
    iptc = UTF_8 + dataset(2, 25, b"beach") + dataset(2, 25, b"Sea") + dataset(2, 120, b"At sea")
    if format_ == "TIFF":
        photo.write_bytes(encoded(two_colours(), "TIFF", tiffinfo={700: XMP, 33723: iptc}))
    else:
        resource = b"8BIM\x04\x04\0\0" + len(iptc).to_bytes(4, "big") + iptc
        content = b"Photoshop 3.0\0" + resource
        segment = b"\xff\xed" + (len(content) + 2).to_bytes(2, "big") + content
        whole = encoded(two_colours(), "JPEG", xmp=XMP)
        photo.write_bytes(whole[:2] + segment + whole[2:])
    meta = headers_of(pool, photo).meta
    assert (meta.tags, meta.caption, meta.rating) == (("sea", "Straße", "beach"), "At sea", 4)


@pytest.mark.parametrize("name", ["photo.jpg.xmp", "photo.xmp"])
def test_the_file_beside_a_photo_knows_better_what_people_said(
    pool: DecoderPool, photo: Path, name: str
) -> None:
    photo.write_bytes(written("JPEG"))
    sidecar = photo.with_name(name)
    sidecar.write_bytes(
        packet(
            bag("dc:subject", "mountain") + "<dc:description>Up there</dc:description>",
            'xmp:Rating="2" exif:DateTimeOriginal="2001-01-01T00:00:00"',
        )
    )
    headers = headers_of(pool, photo)
    meta = headers.meta
    assert (meta.tags, meta.rating, meta.caption) == (("mountain",), 2, "Up there")
    assert (meta.taken, meta.taken_from) == ("2019-07-12T14:03:22", "exif")
    assert headers.sidecar == Fingerprint.of(sidecar.stat())
    whole = decoded(pool, photo)
    assert without_sharpness(whole.meta) == meta
    assert whole.sidecar == headers.sidecar


def test_a_date_of_xmp_counts_where_exif_has_none(pool: DecoderPool, photo: Path) -> None:
    xmp = packet(
        attributes='photoshop:DateCreated="1931-05-06"'
        ' exif:GPSLatitude="1,0N" exif:GPSLongitude="2,0E"'
    )
    photo.write_bytes(encoded(two_colours(), "JPEG", xmp=xmp))
    meta = headers_of(pool, photo).meta
    assert (meta.taken, meta.taken_from) == ("1931-05-06T00:00:00", "xmp")
    assert (meta.lat, meta.lon, meta.has_exif) == (1.0, 2.0, False)


def test_what_lies_beside_a_photo_and_is_no_file_is_passed_over(
    pool: DecoderPool, photo: Path
) -> None:
    photo.write_bytes(encoded(two_colours(), "JPEG"))
    os.mkfifo(photo.with_name("photo.jpg.xmp"))
    photo.with_name("photo.xmp").symlink_to("/etc/passwd")
    assert headers_of(pool, photo).sidecar is None


def test_a_sidecar_without_end_is_not_read(pool: DecoderPool, photo: Path) -> None:
    photo.write_bytes(written("JPEG"))
    with photo.with_name("photo.jpg.xmp").open("wb") as file:
        file.write(packet(bag("dc:subject", "mountain")))
        file.truncate(1 << 40)
    assert headers_of(pool, photo).meta == EXPECTED


def test_damaged_headers_say_nothing(pool: DecoderPool, photo: Path) -> None:
    photo.write_bytes(written("PNG")[:40])
    assert headers_of(pool, photo).meta == Meta()


def test_a_picture_in_focus_is_sharper_than_one_that_is_not(pool: DecoderPool, photo: Path) -> None:
    from PIL import ImageFilter

    noise = Image.effect_noise((1200, 900), 80).convert("RGB")
    found = []
    for radius in (0, 2, 8):
        noise.filter(ImageFilter.GaussianBlur(radius)).save(photo, "JPEG", quality=95)
        found.append(decoded(pool, photo).meta.sharpness or 0.0)
    assert found[0] > 2 * found[1] > 4 * found[2] > 0


def test_one_colour_all_over_is_not_sharp_and_no_size_is_too_small(
    pool: DecoderPool, photo: Path
) -> None:
    for size in ((1, 1), (2, 900), (900, 2), (640, 480)):
        Image.new("RGB", size, (90, 120, 40)).save(photo, "PNG")
        assert decoded(pool, photo).meta.sharpness == 0.0


def chunks(png: bytes) -> list[bytes]:
    """Return the chunks of a PNG, each with its length, kind and sum."""
    found, at = [], 8
    while at < len(png):
        end = at + 12 + int.from_bytes(png[at : at + 4], "big")
        assert zlib.crc32(png[at + 4 : end - 4]) == int.from_bytes(png[end - 4 : end], "big")
        found.append(png[at:end])
        at = end
    return found


def test_a_raw_picture_says_what_it_is_from(tmp_path: Path) -> None:
    pytest.importorskip("rawpy")
    photo = tmp_path / "photo.dng"
    photo.write_bytes(dng(encoded(two_colours(), "JPEG"), 1))
    with small_pool() as pool:
        for meta in (decoded(pool, photo).meta, headers_of(pool, photo).meta):
            assert (meta.camera, meta.taken, meta.has_exif) == ("Maker Model", "", True)


def test_a_raw_picture_is_read_like_the_tiff_that_it_is() -> None:
    assert meta_of_tiff(io.BytesIO(written("TIFF")), b"") == EXPECTED


def test_pixels_are_not_needed(pool: DecoderPool, photo: Path) -> None:
    whole = written("JPEG")
    with Image.open(io.BytesIO(whole)) as image:
        assert image.size == (160, 120)
    photo.write_bytes(whole[: whole.index(b"\xff\xda") + 20])
    assert headers_of(pool, photo).meta == EXPECTED
