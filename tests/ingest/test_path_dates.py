"""Dates in names and folders: every scheme that programs use, and what only looks like one."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipd.ingest.path_dates import DatedPath, PathDate, date_of

NOW = datetime(2026, 11, 27)
CHANGED = "2026-02-03T04:05:06"


def mtime_ns(local: str) -> int:
    return int(datetime.fromisoformat(local).timestamp()) * 1_000_000_000


def dated(path: str, changed: str = CHANGED) -> PathDate | None:
    return date_of([DatedPath(path.encode(), mtime_ns(changed))], NOW)


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("IMG_20190712_140322.jpg", "2019-07-12T14:03:22"),
        ("PXL_20190712_140322123.jpg", "2019-07-12T14:03:22"),
        ("PXL_20190712_140322123.PORTRAIT.jpg", "2019-07-12T14:03:22"),
        ("20190712_140322.jpg", "2019-07-12T14:03:22"),
        ("20190712_140322(1).jpg", "2019-07-12T14:03:22"),
        ("20190712140322.jpg", "2019-07-12T14:03:22"),
        ("Screenshot_2024-05-06-07-08-09.png", "2024-05-06T07:08:09"),
        ("Screenshot_20240506-070809.png", "2024-05-06T07:08:09"),
        ("Screenshot_20240506-070809_Chrome.png", "2024-05-06T07:08:09"),
        ("Screenshot from 2024-05-06 07-08-09.png", "2024-05-06T07:08:09"),
        ("Screen Shot 2019-07-12 at 2.03.22 PM.png", "2019-07-12T14:03:22"),
        ("Screen Shot 2019-07-12 at 12.03.22 AM.png", "2019-07-12T00:03:22"),
        ("WhatsApp Image 2019-07-12 at 14.03.22.jpeg", "2019-07-12T14:03:22"),
        ("2019-07-12 14.03.22.jpg", "2019-07-12T14:03:22"),
        ("2019-07-12T14:03:22.jpg", "2019-07-12T14:03:22"),
        ("photo_2019-07-12_14-03-22.jpg", "2019-07-12T14:03:22"),
        ("signal-2019-07-12-140322.jpg", "2019-07-12T14:03:22"),
        ("IMG-20190712-WA0003.jpg", "2019-07-12T00:00:00"),
        ("2019-07-12-1.jpg", "2019-07-12T00:00:00"),
        ("2019.07.12 party.jpg", "2019-07-12T00:00:00"),
        ("19990101.tif", "1999-01-01T00:00:00"),
        ("IMG_20190712_996199.jpg", "2019-07-12T00:00:00"),
        ("12345678 20190712.jpg", "2019-07-12T00:00:00"),
        ("1826-06-04.jpg", "1826-06-04T00:00:00"),
        ("2027-01-01.jpg", "2027-01-01T00:00:00"),
    ],
)
def test_a_name_tells_the_date(name: str, taken: str) -> None:
    assert dated(f"/photos/{name}") == PathDate(taken, "name")


@pytest.mark.parametrize(
    "name",
    [
        "12345678.jpg",
        "IMG_99999999.jpg",
        "IMG_20191312.jpg",
        "IMG_20190230.jpg",
        "1825-12-31.jpg",
        "2028-01-01.jpg",
        "1562940202000.jpg",
        "201907121403.jpg",
        "2019071214032.jpg",
        "20190712345.jpg",
        "120190712.jpg",
        "DSC_2019.jpg",
        "2019-0712.jpg",
        "wallpaper-1920x1080.png",
        "3840-2160-10.png",
        "",
    ],
)
def test_a_name_that_only_looks_like_it_does_not(name: str) -> None:
    assert dated(f"/photos/{name}") == PathDate(CHANGED, "file")


@pytest.mark.parametrize(
    ("folder", "taken"),
    [
        ("2024-08-17 Party", "2024-08-17T00:00:00"),
        ("Party 2024-08-17", "2024-08-17T00:00:00"),
        ("20240817", "2024-08-17T00:00:00"),
        ("2024-08-17 Party/best of", "2024-08-17T00:00:00"),
        ("2019/07/12", "2019-07-12T00:00:00"),
        ("2019/07", "2019-07-01T00:00:00"),
        ("2019/2019-07", "2019-07-01T00:00:00"),
        ("2019-07 Italy", "2019-07-01T00:00:00"),
        ("2019/02/30", "2019-02-01T00:00:00"),
        ("2019-07-12/raw", "2019-07-12T00:00:00"),
        ("2018-01-01 Home/2019-07-12 Sea", "2019-07-12T00:00:00"),
    ],
)
def test_folders_tell_the_date_where_the_name_does_not(folder: str, taken: str) -> None:
    assert dated(f"/photos/{folder}/DSC_0001.jpg") == PathDate(taken, "folder")


@pytest.mark.parametrize(
    "folder", ["2019", "2019/13", "07/12", "1234/07", "100/07", "2019-2020", "12-07"]
)
def test_folders_that_only_look_like_it_do_not(folder: str) -> None:
    assert dated(f"/photos/{folder}/DSC_0001.jpg") == PathDate(CHANGED, "file")


def test_the_time_of_change_tells_the_rest_of_a_day_that_it_lies_in() -> None:
    assert dated("/a/IMG-20190712-WA0003.jpg", "2019-07-12T18:00:01") == PathDate(
        "2019-07-12T18:00:01", "name"
    )
    assert dated("/a/2019/07/b.jpg", "2019-07-30T18:00:01") == PathDate(
        "2019-07-30T18:00:01", "folder"
    )
    assert dated("/a/2019/07/b.jpg", "2019-08-01T18:00:01") == PathDate(
        "2019-07-01T00:00:00", "folder"
    )


def test_of_several_paths_the_best_tells_in_whatever_order_they_come() -> None:
    places = [
        DatedPath(b"/a/DSC_0001.jpg", mtime_ns("1999-01-01T00:00:00")),
        DatedPath(b"/a/2018-01-01/DSC_0001.jpg", mtime_ns(CHANGED)),
        DatedPath(b"/a/IMG_20190712_140322.jpg", mtime_ns(CHANGED)),
        DatedPath(b"/a/IMG_20190711_140322.jpg", mtime_ns(CHANGED)),
    ]
    for order in (places, places[::-1]):
        assert date_of(order, NOW) == PathDate("2019-07-11T14:03:22", "name")


def test_a_time_of_change_that_was_never_set_tells_nothing() -> None:
    assert date_of([DatedPath(b"/a/b.jpg", 0)], NOW) is None
    assert date_of([DatedPath(b"/a/b.jpg", 1 << 90)], NOW) is None
    assert date_of([], NOW) is None


@settings(deadline=None)
@given(st.binary(max_size=40), st.integers(-(1 << 80), 1 << 80))
def test_no_name_makes_it_fail(name: bytes, mtime: int) -> None:
    found = date_of([DatedPath(b"/photos/" + name, mtime)], NOW)
    assert found is None or datetime.fromisoformat(found.taken)
