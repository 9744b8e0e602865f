"""What Exif says: the cases that cameras make."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from clipd.decode.exif import camera_name, iso_time, offset_minutes, position_of, read_exif

Tags = Mapping[Any, object]
EXIF, GPS = ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo


def exif_of(
    main: Tags | None = None, details: Tags | None = None, gps: Tags | None = None
) -> Image.Exif:
    """Return Exif as a reader meets it: written into bytes and read again."""
    written = Image.Exif()
    written.update({**(main or {})})
    written.get_ifd(EXIF).update({**(details or {})})
    written.get_ifd(GPS).update({**(gps or {})})
    read = Image.Exif()
    read.load(written.tobytes())
    return read


def degrees(*parts: float) -> tuple[IFDRational, ...]:
    return tuple(IFDRational(round(part * 10000), 10000) for part in parts)


def test_the_date_is_that_of_the_shot_and_not_of_the_scan_or_of_the_file() -> None:
    original = {ExifTags.Base.DateTimeOriginal: "2019:07:12 14:03:22"}
    digitized = {ExifTags.Base.DateTimeDigitized: "2020:01:02 03:04:05"}
    changed = {ExifTags.Base.DateTime: "2021:05:06 07:08:09"}
    assert read_exif(exif_of(changed, {**original, **digitized})).taken == "2019-07-12T14:03:22"
    assert read_exif(exif_of(changed, digitized)).taken == "2020-01-02T03:04:05"
    assert read_exif(exif_of(changed)).taken == "2021-05-06T07:08:09"


def test_a_date_that_was_never_set_gives_way_to_the_next() -> None:
    details = {
        ExifTags.Base.DateTimeOriginal: "0000:00:00 00:00:00",
        ExifTags.Base.DateTimeDigitized: "2019:07:12 14:03:22",
    }
    assert read_exif(exif_of(details=details)).taken == "2019-07-12T14:03:22"


def test_the_distance_from_utc_is_that_of_the_date_that_is_taken() -> None:
    details = {
        ExifTags.Base.DateTimeOriginal: "2019:07:12 14:03:22",
        ExifTags.Base.OffsetTimeOriginal: "+02:00",
        ExifTags.Base.OffsetTime: "+09:00",
    }
    assert read_exif(exif_of(details=details)).utc_offset_min == 120


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2019:07:12 14:03:22", "2019-07-12T14:03:22"),
        ("2019-07-12T14:03:22", "2019-07-12T14:03:22"),
        (b"2019:07:12 14:03:22\0", "2019-07-12T14:03:22"),
        ("2019:07:12", ""),
        ("1970:01:01 00:00:00", ""),
        ("2019:13:12 14:03:22", ""),
        ("1700:07:12 14:03:22", ""),
        ("    :  :     :  :  ", ""),
        (None, ""),
        (7, ""),
    ],
)
def test_a_time_is_one_or_nothing(value: object, expected: str) -> None:
    assert iso_time(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("+02:00", 120), ("-0330", -210), ("Z", None), ("+25:00", None), ("", None), (None, None)],
)
def test_an_offset_is_one_or_nothing(value: object, expected: int | None) -> None:
    assert offset_minutes(value) == expected


@pytest.mark.parametrize(
    ("make", "model", "expected"),
    [
        ("Canon", "Canon EOS 80D", "Canon EOS 80D"),
        ("NIKON CORPORATION", "NIKON D750", "NIKON D750"),
        ("EASTMAN KODAK COMPANY", "KODAK DX4530 ZOOM", "KODAK DX4530 ZOOM"),
        ("Apple", "iPhone 12", "Apple iPhone 12"),
        ("OLYMPUS IMAGING CORP.", "E-M10", "OLYMPUS E-M10"),
        ("SAMSUNG ELECTRONICS CO., LTD.", "SM-G991B", "SAMSUNG SM-G991B"),
        ("", "X100", "X100"),
        ("FUJIFILM", "", "FUJIFILM"),
        ("", "", ""),
    ],
)  # fmt: skip
def test_a_camera_is_named_as_people_name_it(make: str, model: str, expected: str) -> None:
    assert camera_name(make, model) == expected


def test_camera_lens_focal_length_and_stars_are_read() -> None:
    main = {
        ExifTags.Base.Make: "Canon",
        ExifTags.Base.Model: "EOS\t80D\x01",
        ExifTags.Base.Rating: 4,
    }
    details = {
        ExifTags.Base.LensModel: "EF50mm f/1.8 STM",
        ExifTags.Base.FocalLength: IFDRational(50, 1),
    }
    fields = read_exif(exif_of(main, details))
    assert (fields.camera, fields.lens) == ("Canon EOS 80D", "EF50mm f/1.8 STM")
    assert (fields.focal_mm, fields.rating, fields.is_there) == (50.0, 4, True)


def test_nothing_is_nothing() -> None:
    assert read_exif(Image.Exif()) == read_exif(exif_of())
    assert not read_exif(Image.Exif()).is_there


def test_a_position_is_in_degrees_north_and_east() -> None:
    gps = {
        ExifTags.GPS.GPSLatitudeRef: "S",
        ExifTags.GPS.GPSLatitude: degrees(33, 51, 24.12),
        ExifTags.GPS.GPSLongitudeRef: "E",
        ExifTags.GPS.GPSLongitude: degrees(151, 12.5, 0),
    }
    assert read_exif(exif_of(gps=gps)).position == pytest.approx((-33.8567, 151.208333), abs=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        {ExifTags.GPS.GPSStatus: "V"},
        {ExifTags.GPS.GPSLatitude: degrees(133, 0, 0)},
        {ExifTags.GPS.GPSLatitude: (IFDRational(0, 0), IFDRational(0, 0), IFDRational(0, 0))},
        {ExifTags.GPS.GPSLatitude: degrees(0, 0, 0), ExifTags.GPS.GPSLongitude: degrees(0, 0, 0)},
    ],
)
def test_a_position_that_is_none_is_left_out(change: Tags) -> None:
    gps: Tags = {
        ExifTags.GPS.GPSLatitudeRef: "N",
        ExifTags.GPS.GPSLatitude: degrees(43, 46, 12),
        ExifTags.GPS.GPSLongitudeRef: "E",
        ExifTags.GPS.GPSLongitude: degrees(11, 15, 0),
    }
    assert read_exif(exif_of(gps=gps)).position is not None
    assert read_exif(exif_of(gps={**gps, **change})).position is None


def test_the_poles_are_places() -> None:
    assert position_of(90, 0) == (90, 0)
    assert position_of(90.001, 0) is None


@settings(deadline=None)
@given(st.binary(max_size=400), st.sampled_from([b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"]))
def test_no_octets_make_it_fail(content: bytes, start: bytes) -> None:
    exif = Image.Exif()
    try:
        exif.load(start + content)
    except Exception:  # what a reader of whole files leaves out as well
        return
    read_exif(exif)


@settings(deadline=None)
@given(st.data())
def test_no_damage_to_real_exif_makes_it_fail(data: st.DataObject) -> None:
    whole = exif_of(
        {ExifTags.Base.Make: "Canon"},
        {ExifTags.Base.FocalLength: IFDRational(50, 1), ExifTags.Base.LensModel: "EF50mm"},
        {ExifTags.GPS.GPSLatitude: degrees(43, 46, 12)},
    ).tobytes()
    octets = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(6, len(octets) - 1))] = data.draw(st.integers(0, 255))
    exif = Image.Exif()
    try:
        exif.load(bytes(octets))
    except Exception:
        return
    read_exif(exif)


def test_a_jpeg_and_its_exif_say_the_same() -> None:
    written = io.BytesIO()
    main = {ExifTags.Base.Make: "Apple", ExifTags.Base.Model: "iPhone 12"}
    Image.new("RGB", (8, 8)).save(written, "JPEG", exif=exif_of(main))
    with Image.open(written) as image:
        assert read_exif(image.getexif()).camera == "Apple iPhone 12"
