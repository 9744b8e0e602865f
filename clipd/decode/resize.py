"""Upright RGB -> the square that the model sees, exactly as open_clip's transform makes it."""

from __future__ import annotations

from typing import TypeAlias

from PIL import Image

from clipd.decode.settings import Target

Box: TypeAlias = tuple[float, float, float, float]  # left, upper, right, lower, in pixels

# Beyond this ratio of the sides, only the middle is resized: open_clip would resize the
# whole strip to keep 1/20 of it, and 1 x 60,000 pixels would become 224 x 13,440,000.
_STRIP_RATIO = 20


def scaled_size(size: tuple[int, int], target: Target) -> tuple[int, int]:
    """Return the size to which a picture is resized before it is cropped or filled."""
    width, height = size
    side = target.side
    if target.resize == "squash":
        return side, side
    if target.resize == "longest":
        ratio = max(width, height) / side
        return max(1, round(width / ratio)), max(1, round(height / ratio))
    if width <= height:
        return side, int(side * height / width)
    return int(side * width / height), side


def to_square(
    image: Image.Image,
    target: Target,
    whole: tuple[int, int] | None = None,
    box: Box | None = None,
) -> Image.Image:
    """Resize and crop (or fill up) an upright RGB picture to the model's square.

    Args:
        image: the picture.
        target: what the model wants.
        whole: the size that the picture had before it was decoded small, upright.
        box: the part of `image` that the picture fills; None for all of it.
    """
    whole = whole or image.size
    if target.resize == "shortest" and _is_strip(image.size):
        image = _without_far_ends(image)
        whole, box = image.size, None
    filter_ = getattr(Image.Resampling, target.interpolation.upper())
    # torchvision leaves a picture alone that has the size already; so does Pillow.
    resized = image.resize(scaled_size(whole, target), filter_, box)
    return _cropped(_filled(resized, target), target.side)


def _is_strip(size: tuple[int, int]) -> bool:
    return max(size) > _STRIP_RATIO * min(size)


def _without_far_ends(image: Image.Image) -> Image.Image:
    width, height = image.size
    most = _STRIP_RATIO * min(width, height)
    left, top = max(0, (width - most) // 2), max(0, (height - most) // 2)
    return image.crop((left, top, left + min(width, most), top + min(height, most)))


def _filled(image: Image.Image, target: Target) -> Image.Image:
    side = target.side
    if min(image.size) >= side:
        return image
    width, height = (max(side, edge) for edge in image.size)
    ground = Image.new("RGB", (width, height), (target.fill,) * 3)
    ground.paste(image, (_before(image.width, side), _before(image.height, side)))
    return ground


def _before(edge: int, side: int) -> int:
    return max(0, (side - edge) // 2)


def _cropped(image: Image.Image, side: int) -> Image.Image:
    # round() of a half goes to the even number: torchvision's own formula.
    left, top = (round((edge - side) / 2.0) for edge in image.size)
    return image.crop((left, top, left + side, top + side))
