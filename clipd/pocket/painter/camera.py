"""What a camera does to a scene: framing, exposure, focus, noise and JPEG."""

from __future__ import annotations

import io
import math
from random import Random

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter


def photograph(picture: Image.Image, rng: Random) -> Image.Image:
    """Give the scene as one of many cameras, held by one of many hands, would take it."""
    shot = _framed(picture, rng)
    shot = _exposed(shot, rng)
    if rng.random() < 0.3:
        radius = min(shot.size) * rng.uniform(0.001, 0.006)
        shot = shot.filter(ImageFilter.GaussianBlur(radius))
    shot = _noisy(shot, rng)
    return _as_jpeg(shot, rng.randint(45, 95))


def _framed(picture: Image.Image, rng: Random) -> Image.Image:
    """Crop a little off each side, and hold the camera not quite level."""
    width, height = picture.size
    zoom = rng.uniform(0.86, 0.97)
    angle = math.radians(rng.gauss(0, 1.2))
    cos, sin = math.cos(angle) * zoom, math.sin(angle) * zoom
    slack_x, slack_y = (1 - zoom) / 2 * width * 0.7, (1 - zoom) / 2 * height * 0.7
    x = width / 2 + rng.uniform(-slack_x, slack_x)
    y = height / 2 + rng.uniform(-slack_y, slack_y)
    matrix = (
        *(cos, -sin, x - cos * width / 2 + sin * height / 2),
        *(sin, cos, y - sin * width / 2 - cos * height / 2),
    )
    corner = picture.getpixel((2, 2))
    return picture.transform(
        picture.size,
        Image.Transform.AFFINE,
        matrix,
        Image.Resampling.BILINEAR,
        fillcolor=corner,
    )


def _exposed(picture: Image.Image, rng: Random) -> Image.Image:
    """Vary brightness, contrast and saturation."""
    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        picture = change(picture).enhance(rng.uniform(0.85, 1.15))
    return picture


def _noisy(picture: Image.Image, rng: Random) -> Image.Image:
    """Add the grain of a sensor."""
    dice = np.random.default_rng(rng.getrandbits(64))
    strength = rng.uniform(0.0, 9.0)
    pixels = np.asarray(picture, np.float32)
    grain = dice.standard_normal((*pixels.shape[:2], 1), np.float32) * np.float32(strength)
    return Image.fromarray((pixels + grain).clip(0, 255).astype(np.uint8))


def _as_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    """Send the picture through JPEG and back."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")
