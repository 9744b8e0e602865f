"""Raw pictures of cameras: the preview that the camera stored beside the raw data."""

from __future__ import annotations

import dataclasses
import io
from typing import TYPE_CHECKING, BinaryIO, Final

from clipd.decode.codecs import has_raw
from clipd.decode.picture import Picture, check_pixels, read_picture
from clipd.decode.settings import Target
from clipd.errors import PictureError

if TYPE_CHECKING:
    from rawpy import ImageSizes

# LibRaw's `flip` -> EXIF orientation.
_TURNED: Final = {0: 1, 3: 3, 5: 8, 6: 6}


def read_raw(file: BinaryIO, target: Target, max_pixels: int) -> Picture:
    """Decode the preview of a raw picture; see `read_picture` for arguments and errors."""
    if not has_raw():
        raise PictureError("unsupported", "raw pictures need the extra `raw`: clipd[raw]")
    import rawpy

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
    return _from_preview(thumbnail.data, sizes, target, max_pixels)


def _from_preview(preview: bytes, sizes: ImageSizes, target: Target, max_pixels: int) -> Picture:
    """Decode the preview; the size is that of the raw picture, which the preview stands for."""
    check_pixels((sizes.width, sizes.height), max_pixels)
    turned = _TURNED.get(sizes.flip, 1)
    picture = read_picture(io.BytesIO(preview), "JPEG", target, max_pixels, turned=turned)
    width, height = sizes.width, sizes.height
    if turned >= 5:
        width, height = height, width
    return dataclasses.replace(picture, width=width, height=height, format="RAW")
