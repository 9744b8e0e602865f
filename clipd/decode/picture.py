"""One open file -> upright RGB pixels for the model, with its metadata. Runs in the sandbox."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, Final

from PIL import ExifTags, Image, UnidentifiedImageError

from clipd.decode.codecs import has_heif
from clipd.decode.color import to_rgb
from clipd.decode.draft import draft, is_on_its_side
from clipd.decode.jpeg import expect_whole
from clipd.decode.metadata import meta_of
from clipd.decode.resize import to_square
from clipd.decode.settings import Target
from clipd.decode.sharpness import sharpness_of
from clipd.errors import PictureError
from clipd.photo import Meta

# What Pillow warns of when a directory of a TIFF, or a value in it, lies beyond the end.
_BEYOND_END: Final = re.compile(r"Truncated File Read|orrupt EXIF data|larger than file")
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded file."""

    width: int  # of the whole picture, upright
    height: int
    format: str
    meta: Meta
    pixels: bytes  # RGB, side x side, row by row


def read_picture(
    file: BinaryIO,
    format_: str,
    target: Target,
    max_pixels: int,
    *,
    turned: int = 1,
    sidecar: bytes = b"",
) -> Picture:
    """Decode a file of a known format.

    Args:
        file: open for reading; is left open.
        format_: Pillow's word for its format: no other decoder is tried.
        target: the square to make.
        max_pixels: limit of width x height, checked before anything is decoded.
        turned: EXIF orientation, 1 to 8, of a file that has none of its own.
        sidecar: the content of the XMP file beside it.

    Raises:
        PictureError: over the limit, or the format cannot be read here.
        Exception: whatever Pillow raises on broken files; see `clipd.decode.reasons`.
    """
    with checked(file, format_, max_pixels) as image:
        size = image.size
        meta = meta_of(image, file, sidecar)
        drafted = draft(image, target)
        if format_ == "JPEG":
            expect_whole(image, file)
        image.load()
        turned = orientation(image) or turned  # after load(): a TIFF is turned while it loads
        width, height = reversed(size) if is_on_its_side(turned) else size
        whole = upright(to_rgb(image), turned)
        box = drafted.box(turned) if drafted else None
        pixels = to_square(whole, target, (width, height), box).tobytes()
        meta = replace(meta, sharpness=sharpness_of(whole))
    return Picture(width, height, format_, meta, pixels)


def read_headers(file: BinaryIO, format_: str, sidecar: bytes, max_pixels: int) -> Meta:
    """Read what a file says of itself, without decoding it; see `read_picture`."""
    with checked(file, format_, max_pixels) as image:
        return meta_of(image, file, sidecar)


@contextlib.contextmanager
def checked(file: BinaryIO, format_: str, max_pixels: int) -> Iterator[Image.Image]:
    """Open a picture that can be read here and is not too large."""
    if format_ == "HEIF" and not has_heif():
        raise PictureError("unsupported", "HEIF pictures need the package pillow-heif")
    if format_ == "WEBP":
        # Pillow's reader takes 8 bytes a pixel as soon as it opens one.
        check_pixels(_webp_size(file), max_pixels)
    with _opened(file, format_) as image:
        check_pixels(image.size, max_pixels)
        yield image


def _opened(file: BinaryIO, format_: str) -> Image.Image:
    """Read the header.

    Raises:
        EOFError: the file ends before its header does.
        SyntaxError: it makes no sense; this is what Pillow's formats raise, but `open` hides
            it behind "cannot identify", and tells only through a warning.
    """
    Image.WARN_POSSIBLE_FORMATS = True
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            return Image.open(file, formats=[format_])
        except UnidentifiedImageError as error:
            if any(_BEYOND_END.search(str(each.message)) for each in said):
                raise EOFError from error
            last = str(said[-1].message) if said else ""
            raise SyntaxError(last.partition(" opening failed. ")[2]) from error


def check_pixels(size: tuple[int, int], max_pixels: int) -> None:
    """Refuse a picture of too many pixels, as its header states them.

    Raises:
        PictureError: it has more, or none at all.
    """
    width, height = size
    if width < 1 or height < 1:
        raise PictureError("corrupt", f"a picture of {width} x {height} pixels")
    if width * height > max_pixels:
        raise PictureError(
            "too-large",
            f"{width:,} x {height:,} pixels are over the limit of {max_pixels:,}"
            " (raise decoder.max_pixels to read it)",
        )


def _webp_size(file: BinaryIO) -> tuple[int, int]:
    """Read width and height as the header states them (RFC 9649, 2.5 to 2.7)."""
    head = file.read(30).ljust(30, b"\0")
    file.seek(0)
    if head[12:16] == b"VP8X":
        return 1 + _little(head[24:27]), 1 + _little(head[27:30])
    if head[12:16] == b"VP8L":
        both = _little(head[21:25])
        return 1 + (both & 0x3FFF), 1 + (both >> 14 & 0x3FFF)
    return _little(head[26:28]) & 0x3FFF, _little(head[28:30]) & 0x3FFF


def _little(octets: bytes) -> int:
    return int.from_bytes(octets, "little")


def upright(image: Image.Image, turned: int) -> Image.Image:
    """Turn a picture by its EXIF orientation, 1 to 8."""
    method = _UPRIGHT.get(turned)
    return image if method is None else image.transpose(method)


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 0 when the file has none that makes sense."""
    # Damaged metadata raise all kinds of errors, and are no reason to refuse the picture.
    with contextlib.suppress(Exception):
        turned = image.getexif().get(ExifTags.Base.Orientation)
        return turned if isinstance(turned, int) and 1 <= turned <= 8 else 0
    return 0
