"""Inputs that the bench makes for itself: photos, weights, a full catalog."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file

from clipd.photo import Fingerprint, ModelSpec
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


def fill_catalog(file: Path, spec: ModelSpec, root: Path, photos: int) -> None:
    """Make a catalog of so many photos with random vectors, below a root that is not there."""
    rng = np.random.default_rng(1)
    catalog = Catalog.open(file)
    with catalog.writing():
        model = catalog.model(spec)
        root_id = catalog.root(os.fsencode(root))
    for start in range(0, photos, 1000):
        vectors = _unit(rng.standard_normal((1000, spec.dim)).astype(np.float32))
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


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
