"""Any picture -> 8-bit RGB, as a person would see it."""

from __future__ import annotations

import math
from typing import Final

from PIL import Image, ImageCms

_WHITE: Final = (255, 255, 255)
_STRIP_PIXELS: Final = 1 << 20
_BITS_PER_SAMPLE: Final = 258  # TIFF tag


def to_rgb(image: Image.Image) -> Image.Image:
    """Turn a loaded picture of any mode into RGB; what is transparent becomes white."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode == "F" or image.mode.startswith("I"):
        return _scaled(image).convert("RGB")
    if image.mode == "LAB":
        return _from_lab(image)
    if image.mode == "PA" or image.has_transparency_data:
        return _on_white(image)
    return image.convert("RGB")


def _scaled(image: Image.Image) -> Image.Image:
    """Bring 16-bit, 32-bit and float values to 0..255: `convert` would clip, not scale."""
    wide = image if image.mode in ("I", "F") else image.convert("I")
    black, white = _range_of_bits(image) or _range_of_values(wide)
    scale = 255 / (white - black) if white > black else 0.0
    # Half a step is added because the conversion to integers cuts.
    return wide.point(lambda value: value * scale + (0.5 - black * scale)).convert("L")


def _range_of_bits(image: Image.Image) -> tuple[float, float] | None:
    """Return the values of black and white where the number of bits says them."""
    if not image.mode.startswith("I;16"):
        return None
    tags = getattr(image, "tag_v2", {})  # a TIFF: 12 bits come in 16
    bits = tags.get(_BITS_PER_SAMPLE, (16,))[0]
    return 0.0, float((1 << bits) - 1)


def _range_of_values(image: Image.Image) -> tuple[float, float]:
    """Return black and white of 32-bit and float values, which have no fixed scale.

    The smallest usual scale that holds them all; else their own extremes.
    """
    low, high = (float(value) for value in image.getextrema())  # type: ignore[arg-type]
    if not (math.isfinite(low) and math.isfinite(high)):
        return 0.0, 1.0
    scales = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
    if low >= 0:
        for white in scales:
            if high <= white:
                return 0.0, white
    return low, high


def _from_lab(image: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    assert converted is not None  # only in-place conversion returns None
    return converted


def _on_white(image: Image.Image) -> Image.Image:
    """Lay a picture with transparent parts on white, strip by strip to spare memory."""
    width, height = image.size
    ground = Image.new("RGB", image.size, _WHITE)
    rows = max(1, _STRIP_PIXELS // max(1, width))
    for top in range(0, height, rows):
        box = (0, top, width, min(height, top + rows))
        strip = image.crop(box)
        strip.info = image.info  # where a palette's transparency is kept
        strip = strip.convert("RGBA")
        ground.paste(strip.convert("RGB"), box, mask=strip.getchannel("A"))
    return ground
