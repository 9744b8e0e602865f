"""One open file -> a small picture for people: upright, in sRGB, on white. Runs in the sandbox."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO, Final

from PIL import Image, ImageCms

from clipd.decode.color import to_rgb
from clipd.decode.draft import is_on_its_side
from clipd.decode.jpeg import expect_whole
from clipd.decode.picture import checked, orientation, upright
from clipd.decode.raw import TURNED, raw_preview
from clipd.decode.resize import scaled_size
from clipd.decode.settings import Claim, Target
from clipd.errors import PictureError

# WebP would be a third smaller, and takes eight times as long to make.
_QUALITY: Final = 82
_MOST_DESKTOP_PIXELS: Final = 1 << 21  # the largest are of 1024 x 1024
_LARGER: Final = 2.0  # how much larger a picture may be reduced at once before it is resized well


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A picture made small."""

    width: int
    height: int
    content: bytes  # a JPEG, or pixels


def draw_thumbnail(file: BinaryIO, format_: str, side: int, max_pixels: int) -> Thumbnail:
    """Make a file of a known format small.

    Args:
        file: open for reading; is left open.
        format_: Pillow's word for its format, or "RAW".
        side: pixels of the longer side; a smaller picture stays as it is.
        max_pixels: limit of width x height of the file.

    Raises:
        PictureError: over the limit, or the format cannot be read here.
        Exception: whatever Pillow raises on broken files; see `clipd.decode.reasons`.
    """
    return _as_jpeg(_small(file, format_, (side, side), max_pixels))


def redraw_thumbnail(file: BinaryIO, claim: Claim, side: int) -> Thumbnail:
    """Make a thumbnail of one that the desktop made, if that is of a certain file.

    Args:
        file: a PNG, open for reading; is left open.
        claim: what it must say of itself.
        side: pixels of the longer side.

    Raises:
        PictureError: it is of another file or another time, or too small.
        Exception: whatever Pillow raises on broken files; see `clipd.decode.reasons`.
    """
    with checked(file, "PNG", _MOST_DESKTOP_PIXELS) as image:
        image.load()  # what it says of itself may lie behind its pixels
        said = image.info
        if said.get("Thumb::URI") not in claim.uris or said.get("Thumb::MTime") != claim.mtime:
            raise PictureError("skipped", "a thumbnail of another file, or of what it was before")
        if max(image.size) < side:
            raise PictureError("skipped", "a thumbnail that is too small")
        small = to_rgb(image).copy()  # saving the image of a file asks where it lies
        small.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=_LARGER)
        return _as_jpeg(small)


def _as_jpeg(drawn: Image.Image) -> Thumbnail:
    written = io.BytesIO()
    drawn.save(written, "JPEG", quality=_QUALITY)
    return Thumbnail(drawn.width, drawn.height, written.getvalue())


def fit_pixels(file: BinaryIO, format_: str, box: tuple[int, int], max_pixels: int) -> Thumbnail:
    """Make a file of a known format so small that it fits into a box; see `draw_thumbnail`.

    Args:
        box: the most pixels across and down.

    Returns:
        RGB, three bytes a pixel, row by row.
    """
    drawn = _small(file, format_, box, max_pixels)
    return Thumbnail(drawn.width, drawn.height, drawn.tobytes())


def _small(file: BinaryIO, format_: str, box: tuple[int, int], max_pixels: int) -> Image.Image:
    turned = 1
    if format_ == "RAW":
        preview, sizes = raw_preview(file)
        file, format_, turned = io.BytesIO(preview), "JPEG", TURNED.get(sizes.flip, 1)
    with checked(file, format_, max_pixels) as image:
        profile = image.info.get("icc_profile")
        if format_ == "JPEG":
            image.draft(image.mode, scaled_size(image.size, Target(max(box), resize="longest")))
            expect_whole(image, file)
        image.load()
        turned = orientation(image) or turned
        small = image if image.mode in ("RGB", "CMYK") and not _has_holes(image) else to_rgb(image)
        small = small.copy() if small is image else small
        room = box[::-1] if is_on_its_side(turned) else box
        small.thumbnail(room, Image.Resampling.BICUBIC, reducing_gap=_LARGER)
        return upright(_in_srgb(small, profile), turned)


def _has_holes(image: Image.Image) -> bool:
    return "transparency" in image.info


def _in_srgb(image: Image.Image, profile: object) -> Image.Image:
    """Bring colours to sRGB by the profile that came with them; damaged ones are passed over."""
    if not isinstance(profile, bytes) or image.mode not in ("RGB", "CMYK"):
        return to_rgb(image)
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return to_rgb(image)
    assert converted is not None  # only in-place conversion returns None
    return converted
