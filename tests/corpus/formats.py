"""A picture in every format and colour mode that clipd reads, and in some that it does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from clipd.pocket.scenes import draw
from tests.corpus.dng import RAW_SIZE, dng
from tests.corpus.pieces import Piece, saved
from tests.corpus.png import coarse_grey, deep

SIZE = (96, 72)
_UNREAD = {
    "j2k.jp2": "JPEG2000",
    "netpbm.ppm": "PPM",
    "tga.tga": "TGA",
    "icon.ico": "ICO",
    "pcx.pcx": "PCX",
    "dds.dds": "DDS",
}


def formats() -> Iterator[Piece]:
    """Paint the pieces of ``formats/``."""
    image = draw("a red car", 5, SIZE)
    for name, format_, content in _read(image):
        yield Piece(path=f"formats/{name}", content=content, format=format_, size=SIZE)
    for name, format_ in _UNREAD.items():
        content = saved(image, format_)
        yield Piece(path=f"formats/unread/{name}", content=content, refusals=("unsupported",))
    svg = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'
    yield Piece(path="formats/unread/drawing.svg", content=svg, refusals=("unsupported",))
    raw = dng(saved(image, "JPEG"), 1)
    yield Piece(path="formats/raw/preview.dng", content=raw, format="RAW", size=RAW_SIZE)


def one_of_each() -> dict[str, tuple[str, bytes]]:
    """Return a plain picture in each format that is read: its ending and bytes, by format."""
    image = draw("a red car", 5, SIZE)
    endings = ("jpg", "png", "gif", "webp", "tif", "bmp", "avif", "heic")
    words = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "HEIF")
    return {word: (ending, saved(image, word)) for word, ending in zip(words, endings, strict=True)}


def _read(image: Image.Image) -> Iterator[tuple[str, str, bytes]]:
    for name, format_, picture, options in _saved_by_pillow(image):
        yield name, format_, saved(picture, format_, **options)
    yield "png/rgb-16-bit.png", "PNG", deep(image)
    yield "png/rgba-16-bit.png", "PNG", deep(_with_alpha(image))
    yield "png/grey-2-bit.png", "PNG", coarse_grey(image, 2)
    yield "png/grey-4-bit.png", "PNG", coarse_grey(image, 4)


def _saved_by_pillow(
    image: Image.Image,
) -> Iterator[tuple[str, str, Image.Image, dict[str, Any]]]:
    """Yield name, format, picture and options of what Pillow can write."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    grey, alpha, palette = image.convert("L"), _with_alpha(image), image.quantize(32)
    deep_grey = Image.fromarray(np.asarray(grey, np.uint16) * 257)

    yield "jpeg/plain.jpg", "JPEG", image, {}
    yield "jpeg/progressive.jpeg", "JPEG", image, {"progressive": True, "quality": 30}
    yield "jpeg/no-subsampling.JPG", "JPEG", image, {"subsampling": 0, "quality": 95}
    yield "jpeg/grey.jpg", "JPEG", grey, {}
    yield "jpeg/cmyk.jpg", "JPEG", image.convert("CMYK"), {}
    yield "jpeg/profile.jpg", "JPEG", image, {"icc_profile": profile, "dpi": (300, 300)}
    yield "jpeg/bad-profile.jpg", "JPEG", image, {"icc_profile": b"no profile" * 20}
    yield "jpeg/two-pictures.mpo", "MPO", image, _film()
    yield "jpeg/no-ending", "JPEG", image, {}
    yield "png/rgb.png", "PNG", image, {"icc_profile": profile}
    yield "png/rgba.png", "PNG", alpha, {}
    yield "png/grey.png", "PNG", grey, {}
    yield "png/grey-alpha.png", "PNG", alpha.convert("LA"), {}
    yield "png/grey-16-bit.png", "PNG", deep_grey, {}
    yield "png/1-bit.png", "PNG", image.convert("1"), {}
    yield "png/palette.png", "PNG", palette, {}
    yield "png/palette-clear.png", "PNG", palette, {"transparency": bytes(range(0, 256, 8))}
    yield "png/animated.png", "PNG", image, _film()
    yield "gif/plain.gif", "GIF", palette, {}
    yield "gif/clear.gif", "GIF", palette, {"transparency": 0}
    yield "gif/animated.gif", "GIF", image, _film()
    yield "webp/lossy.webp", "WEBP", image, {"quality": 80}
    yield "webp/lossless.webp", "WEBP", image, {"lossless": True}
    yield "webp/alpha.webp", "WEBP", alpha, {}
    yield "webp/animated.webp", "WEBP", image, _film()
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        yield f"tiff/{compression}.tif", "TIFF", image, {"compression": compression}
    yield "tiff/fax.tiff", "TIFF", image.convert("1"), {"compression": "group4"}
    yield "tiff/grey-16-bit.tif", "TIFF", deep_grey, {}
    yield "tiff/float.tif", "TIFF", grey.convert("F"), {}
    yield "tiff/whole-32-bit.tif", "TIFF", grey.convert("I"), {}
    yield "tiff/cmyk.tif", "TIFF", image.convert("CMYK"), {}
    yield "tiff/rgba.tif", "TIFF", alpha, {"compression": "tiff_lzw"}
    yield "tiff/palette.tif", "TIFF", palette, {}
    yield "tiff/pages.tif", "TIFF", image, _film()
    yield "tiff/big.tif", "TIFF", image, {"big_tiff": True}
    yield "bmp/rgb.bmp", "BMP", image, {}
    yield "bmp/rgba.bmp", "BMP", alpha, {}
    yield "bmp/grey.bmp", "BMP", grey, {}
    yield "bmp/1-bit.bmp", "BMP", image.convert("1"), {}
    yield "bmp/palette.bmp", "BMP", palette, {}
    yield "avif/plain.avif", "AVIF", image, {"quality": 60}
    yield "avif/alpha.avif", "AVIF", alpha, {}
    yield "avif/animated.avif", "AVIF", image, _film()
    yield "heif/plain.heic", "HEIF", image, {"quality": 60}
    yield "heif/alpha.heif", "HEIF", alpha, {}
    yield "heif/grey.heic", "HEIF", grey, {}
    yield "heif/grey-16-bit.heic", "HEIF", deep_grey, {}


def _film() -> dict[str, Any]:
    # A new picture each time: Pillow leaves the options of one format on it for the next.
    return {"save_all": True, "append_images": [draw("sunset", 5, SIZE)]}


def _with_alpha(image: Image.Image) -> Image.Image:
    clear = image.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(image.size))
    return clear
