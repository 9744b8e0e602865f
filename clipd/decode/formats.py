"""Which files are pictures, by their name and by their first bytes.

Imports nothing heavy: the watcher asks about names, the pool about first bytes, and only
what passes both is given to a decoder.
"""

from __future__ import annotations

import os
import re
from typing import Final

HEAD_BYTES: Final = 512  # how many first bytes `sniff` wants to see

# Formats that are decoded, by Pillow's word for them.
_READ: Final[dict[str, tuple[str, ...]]] = {
    "JPEG": ("jpg", "jpeg", "jpe", "jfif", "jif", "mpo", "jps"),
    "PNG": ("png", "apng"),
    "WEBP": ("webp",),
    "GIF": ("gif",),
    "TIFF": ("tif", "tiff"),
    "BMP": ("bmp", "dib"),
    "AVIF": ("avif", "avifs"),
    "HEIF": ("heic", "heif", "hif", "heics", "heifs"),
}
# Raw pictures of cameras: read through the preview that the camera stored in them.
_RAW: Final = frozenset(
    (
        *("3fr", "arw", "cr2", "cr3", "crw", "dcr", "dng", "erf", "fff", "iiq", "k25", "kdc"),
        *("mef", "mos", "mrw", "nef", "nrw", "orf", "pef", "raf", "raw", "rw2", "rwl", "sr2"),
        *("srf", "srw", "x3f"),
    )
)
# Pictures that are not read. They are handed on all the same, so that they are listed
# with a true reason instead of being passed over in silence.
_NOT_READ: Final[dict[str, str]] = {
    "jxl": "JPEG XL",
    "jp2": "JPEG 2000",
    "j2k": "JPEG 2000",
    "jpf": "JPEG 2000",
    "jpx": "JPEG 2000",
    "j2c": "JPEG 2000",
    "jpc": "JPEG 2000",
    "jxr": "JPEG XR",
    "wdp": "JPEG XR",
    "psd": "Photoshop",
    "psb": "Photoshop",
    "xcf": "GIMP",
    "kra": "Krita",
    "svg": "SVG",
    "svgz": "SVG",
    "eps": "PostScript",
    "ico": "icon",
    "cur": "icon",
    "icns": "icon",
    "pnm": "PNM",
    "pbm": "PNM",
    "pgm": "PNM",
    "ppm": "PNM",
    "pam": "PNM",
    "pfm": "PNM",
    "tga": "TGA",
    "exr": "OpenEXR",
    "hdr": "Radiance HDR",
    "dds": "DDS",
    "pcx": "PCX",
    "qoi": "QOI",
    "bpg": "BPG",
    "flif": "FLIF",
    "djvu": "DjVu",
    "wmf": "Windows metafile",
    "emf": "Windows metafile",
}
_READ_NAMES: Final = frozenset(ending for endings in _READ.values() for ending in endings)
_PICTURE_NAMES: Final = _READ_NAMES | _RAW | frozenset(_NOT_READ)

_MAGIC: Final[tuple[tuple[bytes, str], ...]] = (
    (rb"\xff\xd8\xff", "JPEG"),
    (rb"\x89PNG\r\n\x1a\n", "PNG"),
    (rb"RIFF.{4}WEBP", "WEBP"),
    (rb"GIF8[79]a", "GIF"),
    (rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", "BMP"),  # .. the sizes a header can have
)
_MAGIC_RAW: Final[tuple[bytes, ...]] = (
    rb"II\*\0.{4}CR",  # Canon CR2
    rb".{4}ftypcrx ",  # Canon CR3
    rb"II\x1a\0\0\0HEAPCCDR",  # Canon CRW
    rb"FUJIFILMCCD-RAW",
    rb"II(RO|RS|U\0)|MMOR",  # Olympus, Panasonic
    rb"\0MRM|FOVb",  # Minolta, Sigma
)
_MAGIC_TIFF: Final = rb"II[*+]\0|MM\0[*+]"
_MAGIC_NOT_READ: Final[tuple[tuple[bytes, str], ...]] = (
    (rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51", "JPEG 2000"),
    (rb"II\xbc", "JPEG XR"),
    (rb"8BPS", "Photoshop"),
    (rb"gimp xcf", "GIMP"),
    (rb"\xef?\xbb?\xbf?\s*(<\?xml.*|<!--.*|<!DOCTYPE svg.*)?<svg\b", "SVG"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "PostScript"),
    (rb"\0\0[\x01\x02]\0.\0.{2}\0|icns", "icon"),
    (rb"P[1-7]\s+[\d#]|P[fF]\s+\d|P7\s+WIDTH", "PNM"),
    (rb"\x76\x2f\x31\x01", "OpenEXR"),
    (rb"#\?(RADIANCE|RGBE)", "Radiance HDR"),
    (rb"DDS ", "DDS"),
    (rb"qoif", "QOI"),
    (rb"BPG\xfb", "BPG"),
    (rb"FLIF", "FLIF"),
    (rb"AT&TFORM", "DjVu"),
    (rb"\xd7\xcd\xc6\x9a|\x01\0\0\0.{36} EMF", "Windows metafile"),
)
# The brands of the "ISO base media" container: the first box names the kind of content.
_AVIF_BRANDS: Final = (b"avif", b"avis")
_HEIF_BRANDS: Final = (
    *(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"),
    *(b"mif1", b"msf1", b"mif2"),
)
_VIDEO_BOX: Final = rb".{4}(ftyp|moov|mdat)"


def is_picture_name(name: bytes) -> bool:
    """Whether a file of this name is handed to a decoder.

    A name without an ending says nothing: the decoder looks into the file.
    """
    ending = _ending(name)
    return ending == "" or ending in _PICTURE_NAMES


def skip_reason(name: bytes) -> str:
    """Say why a file of this name is not handed to a decoder."""
    return f"not a picture by its name (.{_ending(name)})"


def is_raw_name(name: bytes) -> bool:
    """Whether the name is that of a camera's raw picture, which may look like a TIFF inside."""
    return _ending(name) in _RAW


def is_picture_ending(name: bytes) -> bool:
    """Whether the name has an ending, and it promises a picture."""
    return _ending(name) in _PICTURE_NAMES


def sniff(head: bytes, name: bytes = b"") -> str:
    """Tell the format of a file from its first bytes.

    Args:
        head: the first `HEAD_BYTES` of the file, or fewer when it is shorter.
        name: the file's name; only needed to tell a raw picture from a TIFF.

    Returns:
        Pillow's word for the format, "RAW", or "" when it is none that is read.
    """
    for pattern, word in _MAGIC:
        if _starts(pattern, head):
            return word
    if any(_starts(pattern, head) for pattern in _MAGIC_RAW):
        return "RAW"
    if _starts(_MAGIC_TIFF, head):
        return "RAW" if is_raw_name(name) else "TIFF"
    if word := _brand(head):
        return word
    return "RAW" if is_raw_name(name) and not unread_format(head) else ""


def unread_format(head: bytes, name: bytes = b"") -> str:
    """Name the picture format of a file that `sniff` did not know; "" when it is no picture."""
    for pattern, word in _MAGIC_NOT_READ:
        if _starts(pattern, head):
            return word
    # TGA and compressed SVG have no first bytes of their own: the name has to do.
    ending = _ending(name)
    return _NOT_READ[ending] if ending in ("tga", "svgz", "kra", "pcx") else ""


def is_video(head: bytes) -> bool:
    """Whether the first bytes are those of a video or sound file in an ISO container."""
    return _starts(_VIDEO_BOX, head)


def _brand(head: bytes) -> str:
    if head[4:8] != b"ftyp":
        return ""
    length = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, length - 3, 4))]
    # "mif1" alone is the container of both: AVIF files often name it first.
    if any(brand in _AVIF_BRANDS for brand in brands):
        return "AVIF"
    return "HEIF" if any(brand in _HEIF_BRANDS for brand in brands) else ""


def _starts(pattern: bytes, head: bytes) -> bool:
    return re.match(pattern, head, re.DOTALL) is not None


def _ending(name: bytes) -> str:
    """Return the part after the last dot in lower case; "" for none and for ``.hidden``."""
    stem, dot, ending = os.path.basename(name).rpartition(b".")
    return ending.decode("ascii", "replace").lower() if dot and stem else ""
