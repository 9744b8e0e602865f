"""XMP in the ways in which programs write it, and in those in which nobody should."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipd.decode.xmp import XmpFields, read_xmp

NAMES = " ".join(
    f'xmlns:{prefix}="{name}"'
    for prefix, name in {
        "dc": "http://purl.org/dc/elements/1.1/",
        "xmp": "http://ns.adobe.com/xap/1.0/",
        "exif": "http://ns.adobe.com/exif/1.0/",
        "photoshop": "http://ns.adobe.com/photoshop/1.0/",
        "lr": "http://ns.adobe.com/lightroom/1.0/",
        "digiKam": "http://www.digikam.org/ns/1.0/",
        "MicrosoftPhoto": "http://ns.microsoft.com/photo/1.0/",
        "MPReg": "http://ns.microsoft.com/photo/1.2/t/Region#",
        "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
        "other": "http://example.org/",
    }.items()
)


def packet(inside: str = "", attributes: str = "") -> bytes:
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {NAMES} {attributes}>{inside}</rdf:Description>'
        '</rdf:RDF></x:xmpmeta>   \n<?xpacket end="w"?>'
    ).encode()


def bag(name: str, *values: str) -> str:
    items = "".join(f"<rdf:li>{value}</rdf:li>" for value in values)
    return f"<{name}><rdf:Bag>{items}</rdf:Bag></{name}>"


def test_properties_are_read_as_attributes_and_as_elements() -> None:
    as_attributes = packet(attributes='xmp:Rating="4" photoshop:DateCreated="2019-07-12T14:03:22"')
    as_elements = packet(
        "<xmp:Rating>4</xmp:Rating>"
        "<photoshop:DateCreated>2019-07-12T14:03:22</photoshop:DateCreated>"
    )
    expected = XmpFields(taken="2019-07-12T14:03:22", rating=4)
    assert read_xmp(as_attributes) == read_xmp(as_elements) == expected


def test_keywords_come_flat_as_leaves_and_as_named_faces() -> None:
    face = (
        "<mwg-rs:Regions rdf:parseType='Resource'><mwg-rs:RegionList><rdf:Bag><rdf:li>"
        "<rdf:Description mwg-rs:Type='Face' mwg-rs:Name='Anna'/></rdf:li></rdf:Bag>"
        "</mwg-rs:RegionList></mwg-rs:Regions>"
    )
    inside = (
        bag("dc:subject", "sea", "Beach")
        + bag("lr:hierarchicalSubject", "Places|Italy|Florence", "beach")
        + bag("digiKam:TagsList", "Animals/Dog")
        + face
        + bag("MPReg:PersonDisplayName", "Ben")
        + bag("other:subject", "not this")
    )
    assert read_xmp(packet(inside)).tags == ("sea", "Beach", "Florence", "Dog", "Anna", "Ben")


def test_the_caption_is_that_of_the_first_language() -> None:
    inside = (
        '<dc:description><rdf:Alt><rdf:li xml:lang="x-default">At the\nsea</rdf:li>'
        '<rdf:li xml:lang="de">Am Meer</rdf:li></rdf:Alt></dc:description>'
    )
    assert read_xmp(packet(inside)).caption == "At the sea"


@pytest.mark.parametrize(
    ("text", "taken", "offset"),
    [
        ("2019-07-12T14:03:22", "2019-07-12T14:03:22", None),
        ("2019-07-12T14:03:22.25+02:00", "2019-07-12T14:03:22", 120),
        ("2019-07-12T14:03:22Z", "2019-07-12T14:03:22", 0),
        ("2019-07-12T14:03", "2019-07-12T14:03:00", None),
        ("2019-07-12", "2019-07-12T00:00:00", None),
        ("2019-07", "2019-07-01T00:00:00", None),
        ("2019", "2019-01-01T00:00:00", None),
        ("0000-00-00T00:00:00", "", None),
        ("2019-02-30", "", None),
        ("yesterday", "", None),
    ],
)
def test_a_date_may_be_coarse(text: str, taken: str, offset: int | None) -> None:
    fields = read_xmp(packet(attributes=f'exif:DateTimeOriginal="{text}"'))
    assert (fields.taken, fields.utc_offset_min) == (taken, offset)


@pytest.mark.parametrize(
    ("north", "east", "expected"),
    [
        ("43,46.2N", "11,15W", (43.77, -11.25)),
        ("33,51,24S", "151,12,30E", (-33.856667, 151.208333)),
        ("91,0N", "11,15E", None),
        ("0,0N", "0,0E", None),
        ("43.77", "11.25", None),
        ("43,46.2N", "", None),
    ],
)
def test_a_position_is_read_or_left_out(
    north: str, east: str, expected: tuple[float, float] | None
) -> None:
    position = read_xmp(
        packet(attributes=f'exif:GPSLatitude="{north}" exif:GPSLongitude="{east}"')
    ).position
    assert position == (pytest.approx(expected, abs=1e-5) if expected else None)


@pytest.mark.parametrize(
    ("attributes", "rating"),
    [
        ('xmp:Rating="0"', 0),
        ('xmp:Rating="-1"', -1),
        ('xmp:Rating="3.0"', 3),
        ('xmp:Rating="9"', None),
        ('xmp:Rating="good"', None),
        ('xmp:Rating="nan"', None),
        ('MicrosoftPhoto:Rating="75"', 4),
        ('MicrosoftPhoto:Rating="99"', 5),
        ('xmp:Rating="2" MicrosoftPhoto:Rating="99"', 2),
    ],
)
def test_stars_are_zero_to_five_or_rejected(attributes: str, rating: int | None) -> None:
    assert read_xmp(packet(attributes=attributes)).rating == rating


def test_control_characters_are_taken_out_and_lengths_are_bounded() -> None:
    inside = bag("dc:subject", "a\u202eb\x85c", "long" * 1000, *(f"tag {n}" for n in range(2000)))
    tags = read_xmp(packet(inside)).tags
    assert tags[0] == "a b c"
    assert len(tags) == 500
    assert max(map(len, tags)) == 100


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        '<!DOCTYPE x SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
    ],
)
def test_declarations_of_types_and_entities_are_refused(declaration: str, encoding: str) -> None:
    body = packet(bag("dc:subject", "sea")).decode().partition("?>")[2]
    assert read_xmp(body.encode(encoding)).tags == ("sea",)
    assert read_xmp((declaration + body).encode(encoding)) == XmpFields()


def test_what_is_too_large_or_too_deep_is_not_read() -> None:
    assert read_xmp(packet(bag("dc:subject", "sea") + " " * (4 << 20))) == XmpFields()
    deep = "<other:a>" * 1000 + bag("dc:subject", "sea") + "</other:a>" * 1000
    assert read_xmp(packet(deep)) == XmpFields()


def test_what_stands_before_the_damage_counts() -> None:
    whole = packet(bag("dc:subject", "sea", "beach"))
    assert read_xmp(whole[: whole.index(b"beach")]).tags == ("sea",)


def test_a_packet_of_the_largest_size_takes_no_second() -> None:
    inside = bag("dc:subject", *(f"tag {n}" for n in range(100_000)))
    started = time.process_time()
    assert len(read_xmp(packet(inside)).tags) == 500
    assert time.process_time() - started < 2


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 700))
def test_no_octets_make_it_fail(content: bytes, at: int) -> None:
    whole = packet(bag("dc:subject", "sea"), 'xmp:Rating="4" exif:GPSLatitude="43,46.2N"')
    for octets in (content, whole[:at] + content, whole[:at] + content + whole[at:]):
        read_xmp(octets)


@settings(deadline=None)
@given(st.text(max_size=50))
def test_no_values_make_it_fail(text: str) -> None:
    value = text.replace("&", "").replace("<", "").replace('"', "")
    names = ("xmp:Rating", "exif:DateTimeOriginal", "exif:GPSLatitude", "dc:description")
    content = packet(attributes=" ".join(f'{name}="{value}"' for name in names))
    read_xmp(content.replace(b"\0", b""))
