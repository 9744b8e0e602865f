"""Keywords and captions as older programs wrote them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from clipd.decode.iptc import IptcFields, read_iptc


def dataset(record: int, number: int, value: bytes) -> bytes:
    return bytes((0x1C, record, number)) + len(value).to_bytes(2, "big") + value


UTF_8 = dataset(1, 90, b"\x1b%G")


def test_keywords_and_caption_are_read() -> None:
    content = UTF_8 + dataset(2, 25, "Straße".encode()) + dataset(2, 25, b"sea")
    content += dataset(2, 120, "Über\r\ndem Meer".encode()) + dataset(2, 55, b"20190712")
    assert read_iptc(content) == IptcFields("Über dem Meer", ("Straße", "sea"))


def test_text_without_a_declared_encoding_is_read_as_what_it_is() -> None:
    assert read_iptc(dataset(2, 25, "Straße".encode())).tags == ("Straße",)
    assert read_iptc(dataset(2, 25, "Straße".encode("latin-1"))).tags == ("Straße",)


def test_a_keyword_is_kept_once_whatever_its_case() -> None:
    content = b"".join(dataset(2, 25, tag) for tag in (b"Sea", b"sea", b"", b"\0\x07", b"SEA"))
    assert read_iptc(content).tags == ("Sea",)


def test_a_caption_that_the_camera_made_up_is_none() -> None:
    for caption in (b"SONY DSC", b"OLYMPUS DIGITAL CAMERA", b"DCIM\\100MEDIA\\DJI_0001.JPG"):
        assert read_iptc(dataset(2, 120, caption)).caption == ""
    assert read_iptc(dataset(2, 120, b"My DIGITAL CAMERA")).caption == "My DIGITAL CAMERA"


def test_a_long_dataset_says_its_length_in_another_way() -> None:
    long = bytes((0x1C, 2, 120, 0x80, 4)) + (5).to_bytes(4, "big") + b"hello"
    assert read_iptc(long + dataset(2, 25, b"sea")) == IptcFields("hello", ("sea",))


def test_what_stands_before_the_damage_counts() -> None:
    whole = dataset(2, 25, b"sea") + dataset(2, 25, b"beach")
    assert read_iptc(whole[:-2]).tags == ("sea",)


@settings(deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_no_octets_make_it_fail(content: bytes, is_after_a_keyword: bool) -> None:
    start = dataset(2, 25, b"sea") if is_after_a_keyword else b"\x1c\x02\x19"
    fields = read_iptc(start + content)
    assert ("sea" in fields.tags) >= is_after_a_keyword
