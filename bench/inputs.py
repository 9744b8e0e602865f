"""Inputs that the bench makes for itself: photos, weights, a full catalog."""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file

from clipd.photo import META_READER, Fingerprint, ModelSpec
from clipd.store.catalog import Catalog

ARCHITECTURE = "ViT-B-32"
_MASTERS = 8  # pictures that are really painted


def twelve_megapixels(folder: Path, count: int, seed: int = 0) -> None:
    """Write JPEGs of 4000 x 3000 with detail at every scale, about 3 MB each, all different.

    A few pictures are encoded; the others are these with another comment inside, which makes
    their bytes new but costs a decoder the same.
    """
    folder.mkdir(parents=True)
    with ThreadPoolExecutor(4) as threads:
        masters = list(threads.map(_master, range(seed, seed + min(count, _MASTERS))))
    for number in range(count):
        whole = masters[number % len(masters)]
        comment = f"bench photo {seed} {number}".encode()
        segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
        (folder / f"{number:05d}.jpg").write_bytes(whole[:2] + segment + whole[2:])


def _master(seed: int) -> bytes:
    whole = BytesIO()
    _picture(np.random.default_rng(seed)).save(whole, "JPEG", quality=88)
    return whole.getvalue()


def _picture(rng: np.random.Generator) -> Image.Image:
    total = np.zeros((3000, 4000, 3), np.float32)
    for side, strength in ((6, 70), (40, 35), (300, 18)):
        rough = rng.normal(0, strength, (side * 3 // 4 + 1, side, 3)).astype(np.float32)
        planes = [
            Image.fromarray(rough[:, :, c]).resize((4000, 3000), Image.Resampling.BICUBIC)
            for c in range(3)
        ]
        total += np.stack([np.asarray(plane) for plane in planes], axis=2)
    total += rng.normal(128, 3, total.shape[:2])[:, :, np.newaxis]  # the noise of a sensor
    return Image.fromarray(total.clip(0, 255).astype(np.uint8))


def small_photos(folder: Path, count: int, seed: int = 0) -> None:
    """Write small JPEGs, all different, a thousand to a folder."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        place = folder / f"{number // 1000:03d}"
        place.mkdir(parents=True, exist_ok=True)
        rough = rng.integers(0, 256, (6, 8, 3), np.uint8)
        picture = Image.fromarray(rough).resize((160, 120), Image.Resampling.BICUBIC)
        picture.save(place / f"{number:05d}.jpg", quality=85)


def random_weights(file: Path) -> None:
    """Write weights drawn at random for the real architecture."""
    torch.manual_seed(0)
    model = open_clip.create_model(ARCHITECTURE)
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, str(file))


def fill_catalog(
    file: Path, spec: ModelSpec, root: Path, photos: int, themes: int = 0, first: int = 0
) -> None:
    """Make a catalog of so many photos, below a root that is not there.

    Args:
        themes: about how many things the vectors gather, as those of photographs do; 0: about
            none, they are random.
        first: the number of the first photo.
    """
    catalog = Catalog.open(file)
    with catalog.writing():
        model = catalog.model(spec)
        root_id = catalog.root(os.fsencode(root))
    for start in range(first, first + photos, 1000):
        vectors = clustered(1000, spec.dim, themes, start)
        with catalog.writing():
            for offset, vector in enumerate(vectors):
                number = start + offset
                content = number.to_bytes(16, "big")
                photo = catalog.add_photo(content, 4000, 3000, "JPEG", "", 0)
                path = root / f"{number // 500:04d}" / f"{number:07d}.jpg"
                fingerprint = Fingerprint(1, number, number, number + 1, 1)
                catalog.put_path(root_id, os.fsencode(path), fingerprint, photo)
                catalog.put_vector(model, photo, vector)
    catalog.close()


def describe_photos(file: Path) -> None:
    """Have all photos of a catalog say of themselves what filters ask for, spread at random."""
    with closing(Catalog.open(file)) as catalog, catalog.writing():
        catalog.writer.write(
            "INSERT INTO meta (photo_id, taken, taken_from, camera, lat, lon, country, region,"
            " city, rating, has_exif, read_by) SELECT id,"
            " strftime('%Y-%m-%dT%H:%M:%S', 1200000000 + id * 7919 % 500000 * 1000, 'unixepoch'),"
            " 'exif', 'Maker ' || (id % 9), 40 + id % 1000 / 100.0, id % 997 / 10.0, 'IT',"
            " 'Toscana', iif(id % 100 = 0, 'Firenze', 'Town ' || (id % 211)), id % 6, 1, ?"
            " FROM photos",
            META_READER,
        )
        sql = "INSERT INTO tags SELECT id, 'tag ' || (id % 100) FROM photos WHERE id % 4 = 0"
        catalog.writer.write(sql)


# Pictures differ in far fewer ways than their vectors have numbers. With these, the nearest
# photos of a photo have a cosine of .79, those of a text .38, as with CLIP.
_WAYS = 64
_SPREAD, _NOISE = 0.6, 0.3  # of a theme, of a photo; distances of themes are 1
_AWAY, _ASIDE, _TEXT_NOISE = 1.5, 0.5, 0.5


def clustered(count: int, dim: int, themes: int, seed: int) -> NDArray[np.float32]:
    """Draw vectors as a model of pictures makes them: unit rows (count, dim), in themes."""
    rng = np.random.default_rng(seed + 1)
    if not themes:
        return _unit(rng.standard_normal((count, dim)).astype(np.float32))
    # Themes are not equally common, nor equally wide.
    which = (themes * rng.random(count) ** 2).astype(np.int64)
    width = _SPREAD * (0.5 + which / themes)[:, None]
    inner = _centres(themes)[which] + width * rng.standard_normal((count, _WAYS))
    rows = rng.standard_normal((count, dim), np.float32)
    rows *= _NOISE
    rows += inner.astype(np.float32) @ _ways(dim).astype(np.float32)
    rows /= np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    return rows


def like_texts(count: int, dim: int, themes: int, seed: int) -> NDArray[np.float32]:
    """Draw vectors of texts: near a theme, aside to another, and away from every picture."""
    rng = np.random.default_rng(seed)
    away = _AWAY * np.random.default_rng(7).standard_normal(dim)
    one, other = _centres(themes)[rng.integers(0, themes, (2, count))]
    pairs = (one + _ASIDE * other) / np.sqrt(1 + _ASIDE**2)
    return _unit(_widened(pairs, dim) + away + _TEXT_NOISE * rng.standard_normal((count, dim)))


@cache
def _centres(themes: int) -> NDArray[np.float64]:
    return np.random.default_rng(0).standard_normal((themes, _WAYS))


def _widened(inner: NDArray[np.float64], dim: int) -> NDArray[np.float64]:
    outer: NDArray[np.float64] = inner @ _ways(dim)
    return outer


@cache
def _ways(dim: int) -> NDArray[np.float64]:
    ways: NDArray[np.float64] = np.random.default_rng(3).standard_normal((_WAYS, dim))
    return ways / math.sqrt(_WAYS)


def _unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    rows = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = rows.astype(np.float32, copy=False)
    return unit
