"""Load every codec before the sandbox closes: afterwards no file can be opened."""

from __future__ import annotations

import encodings.ascii
import encodings.cp1252
import encodings.latin_1
import encodings.utf_8_sig
import encodings.utf_16
import encodings.utf_16_be
import encodings.utf_16_le  # noqa: F401  # found by name when a tag is decoded

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageFile,
    ImageMode,
    ImageOps,
    ImagePalette,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    TiffTags,
    WebPImagePlugin,
)

# Text in a PNG may be megabytes (the settings of an image generator); the memory limit of
# the process is what bounds it, so Pillow's own bound of 1 MiB would only refuse good files.
_MAX_PNG_TEXT_BYTES = 64 << 20

# Named so that nobody takes the imports above for forgotten ones.
_LOADED = (
    *(BmpImagePlugin, GifImagePlugin, JpegImagePlugin, MpoImagePlugin, TiffImagePlugin),
    *(WebPImagePlugin, ExifTags, ImageCms, ImageMode, ImageOps, ImagePalette, TiffTags),
)


def load_codecs(*, with_raw: bool) -> None:
    """Import and configure what reads pictures.

    Args:
        with_raw: also what reads raw pictures, which needs numpy and 0.1 s more.
    """
    Image.preinit()
    Image.MAX_IMAGE_PIXELS = None  # only our own limit counts, and it is checked first
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # it would fill the missing part with grey
    PngImagePlugin.MAX_TEXT_CHUNK = _MAX_PNG_TEXT_BYTES
    PngImagePlugin.MAX_TEXT_MEMORY = _MAX_PNG_TEXT_BYTES
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # there are as many decoders as cores
    _load_heif()
    if with_raw:
        has_raw()


def has_heif() -> bool:
    """Whether HEIF pictures can be read here."""
    return "HEIF" in Image.OPEN


def has_raw() -> bool:
    """Whether raw pictures can be read here; loads what reads them."""
    try:
        import rawpy  # noqa: F401
    except ImportError:
        return False
    return True


def _load_heif() -> None:
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return
    register_heif_opener(decode_threads=0, thumbnails=False, depth_images=False, aux_images=False)
