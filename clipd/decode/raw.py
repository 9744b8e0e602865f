"""Raw pictures of cameras: the preview that the camera stored beside the raw data."""

from __future__ import annotations

import dataclasses
import io
from typing import TYPE_CHECKING, BinaryIO, Final

from clipd.decode.codecs import has_raw
from clipd.decode.metadata import meta_of_tiff
from clipd.decode.picture import Picture, check_pixels, read_headers, read_picture
from clipd.decode.settings import Target
from clipd.errors import PictureError
from clipd.photo import Meta

if TYPE_CHECKING:
    from rawpy import ImageSizes

# LibRaw's `flip` -> EXIF orientation.
TURNED: Final = {0: 1, 3: 3, 5: 8, 6: 6}


def read_raw(file: BinaryIO, target: Target, max_pixels: int, sidecar: bytes) -> Picture:
    """Decode the preview of a raw picture; see `read_picture` for arguments and errors."""
    preview, sizes = raw_preview(file)
    picture = _from_preview(preview, sizes, target, max_pixels, sidecar)
    meta = _fuller(meta_of_tiff(file, sidecar), picture.meta) if _is_tiff(file) else picture.meta
    sharp = dataclasses.replace(meta, sharpness=picture.meta.sharpness)
    return dataclasses.replace(picture, meta=sharp)


def read_raw_headers(file: BinaryIO, format_: str, sidecar: bytes, max_pixels: int) -> Meta:
    """Read what a raw picture says of itself, or else what its preview does."""
    outside = meta_of_tiff(file, sidecar) if _is_tiff(file) else Meta()
    if outside.taken:
        return outside
    preview, _ = raw_preview(file)
    return _fuller(outside, read_headers(io.BytesIO(preview), "JPEG", sidecar, max_pixels))


def _fuller(outside: Meta, inside: Meta) -> Meta:
    """Return the metadata of a raw file, or those of its preview where only they have a date."""
    return outside if outside.taken or (outside.has_exif and not inside.taken) else inside


def _is_tiff(file: BinaryIO) -> bool:
    file.seek(0)
    head = file.read(4)
    file.seek(0)
    return head in (b"II*\0", b"MM\0*")


def raw_preview(file: BinaryIO) -> tuple[bytes, ImageSizes]:
    """Return the JPEG that lies beside the raw data, and how large and which way up those are.

    Raises:
        PictureError: there is none, or raw pictures cannot be read here.
    """
    if not has_raw():
        raise PictureError("unsupported", "raw pictures need the extra `raw`: clipd[raw]")
    import rawpy

    file.seek(0)
    try:
        with rawpy.RawPy() as raw:
            raw.open_buffer(file)  # imread() would import multiprocessing, too late by now
            sizes, thumbnail = raw.sizes, raw.extract_thumb()
    except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError) as error:
        raise PictureError("unsupported", "a raw picture without a preview") from error
    except rawpy.LibRawFileUnsupportedError as error:
        raise PictureError("unsupported", "a kind of raw picture that is not read") from error
    if not isinstance(thumbnail.data, bytes):  # a bitmap: tiny, of old cameras
        raise PictureError("unsupported", "a raw picture whose preview is not a JPEG")
    return thumbnail.data, sizes


def _from_preview(
    preview: bytes, sizes: ImageSizes, target: Target, max_pixels: int, sidecar: bytes
) -> Picture:
    """Decode the preview; the size is that of the raw picture, which the preview stands for."""
    check_pixels((sizes.width, sizes.height), max_pixels)
    turned = TURNED.get(sizes.flip, 1)
    file = io.BytesIO(preview)
    picture = read_picture(file, "JPEG", target, max_pixels, turned=turned, sidecar=sidecar)
    width, height = sizes.width, sizes.height
    if turned >= 5:
        width, height = height, width
    return dataclasses.replace(picture, width=width, height=height, format="RAW")
