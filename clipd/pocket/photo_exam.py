"""The exam on photographs: captions and names of things, on pictures that took no part in teaching.

The photographs are a folder's `manifest.jsonl`, a line a picture: `path`, `captions`, `objects`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:  # reading the photographs' captions needs no torch
    from clipd.pocket.model import PocketEncoder, Vectors

Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Photo:
    """A photograph and what people say of it."""

    path: Path
    captions: tuple[str, ...]
    objects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PhotoFigures:
    """The marks on photographs, each from 0 to 1.

    Attributes:
        photos: how many there are.
        first, first_five, first_ten: captions whose own photo is among so many.
        precision: mean average precision over the names of things asked for.
        first_hit: those of them whose first hit shows the thing.
        presence: how well the best hit's score tells words of things that are in the library
            from words of things that are not: area under the ROC curve.
    """

    photos: int
    first: float
    first_five: float
    first_ten: float
    precision: float
    first_hit: float
    presence: float


def read_photos(folder: Path) -> list[Photo]:
    """Read the photographs of a folder that have captions; none where there is no manifest."""
    manifest = folder / "manifest.jsonl"
    if not manifest.exists():
        return []
    lines = map(json.loads, manifest.read_text().splitlines())
    return [
        Photo(folder / line["path"], tuple(line["captions"]), tuple(line["objects"]))
        for line in lines
        if line.get("captions")
    ]


def encode_photos(encoder: PocketEncoder, photos: Sequence[Photo]) -> Vectors:
    """Encode photographs a few at a time."""
    parts = []
    for i in range(0, len(photos), 16):
        pictures = [Image.open(photo.path).convert("RGB") for photo in photos[i : i + 16]]
        parts.append(encoder.encode_images(pictures))
    return np.concatenate(parts)


def examine_photos(
    encoder: PocketEncoder,
    photos: Sequence[Photo],
    images: Vectors,
    things: Sequence[str],
    strangers: Sequence[str],
) -> PhotoFigures:
    """Ask for every caption and for things.

    Args:
        encoder: the model.
        photos: what there is to find.
        images: their vectors.
        things: names of what some photo shows.
        strangers: words of things; those that some photo shows or tells of are left out.
    """
    ranks = _caption_ranks(encoder, photos, images)
    shown = np.array([[name in photo.objects for photo in photos] for name in things])
    scores = encoder.encode_texts(things) @ images.T
    absent = encoder.encode_texts(_absent(strangers, photos)) @ images.T
    best = scores.argmax(axis=1)
    return PhotoFigures(
        photos=len(photos),
        first=float((ranks <= 1).mean()),
        first_five=float((ranks <= 5).mean()),
        first_ten=float((ranks <= 10).mean()),
        precision=float(np.mean([_precision(s, y) for s, y in zip(scores, shown, strict=True)])),
        first_hit=float(shown[np.arange(len(things)), best].mean()),
        presence=area_under_curve(scores.max(axis=1), absent.max(axis=1)),
    )


def _caption_ranks(
    encoder: PocketEncoder, photos: Sequence[Photo], images: Vectors
) -> NDArray[np.float64]:
    """Give the rank of each caption's own photo, from 1; ties count half, as guessing would."""
    owners = np.array([i for i, photo in enumerate(photos) for _ in photo.captions])
    texts = [caption for photo in photos for caption in photo.captions]
    scores = encoder.encode_texts(texts) @ images.T
    own = scores[np.arange(len(texts)), owners][:, None]
    ranks: NDArray[np.float64] = (
        0.5 + (scores > own).sum(axis=1) + 0.5 * (scores == own).sum(axis=1)
    )
    return ranks


def _precision(scores: Scores, shown: NDArray[np.bool_]) -> float:
    """Give the average precision of one ranking."""
    hits = shown[np.argsort(-scores, kind="stable")]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float((precision * hits).sum() / hits.sum())


def _absent(strangers: Sequence[str], photos: Sequence[Photo]) -> list[str]:
    """Leave out the words that a photo's captions or objects hold, in the singular or plural."""
    told = " ".join(text.lower() for photo in photos for text in (*photo.captions, *photo.objects))
    return [word for word in strangers if not re.search(rf"\b{re.escape(word)}", told)]


def area_under_curve(present: Scores, absent: Scores) -> float:
    """Give the chance that one of the present scores above one of the absent."""
    above = (present[:, None] > absent[None]).mean()
    return float(above + 0.5 * (present[:, None] == absent[None]).mean())
