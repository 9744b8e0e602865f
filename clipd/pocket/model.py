"""The model in the box as open_clip builds it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from PIL import Image

from clipd.pocket.weights import CONFIG, MEAN, STD

NAME = "pocket"

Network: TypeAlias = open_clip.CLIP
Vectors = NDArray[np.float32]  # (n, dim), unit rows


def create(pretrained: Path | None = None) -> Network:
    """Build the model through open_clip, with the weights of a file or untrained."""
    open_clip.add_model_config(CONFIG)
    model = open_clip.create_model(NAME, pretrained=str(pretrained) if pretrained else None)
    network: Network = model.eval()
    return network


def tokenizer() -> open_clip.SimpleTokenizer:
    """Give open_clip's tokenizer at this model's context length."""
    open_clip.add_model_config(CONFIG)
    return open_clip.get_tokenizer(NAME)


class PocketEncoder:
    """Encodes pictures and sentences just as clipd's encoder does."""

    def __init__(self, model: Network) -> None:
        self._model = model
        self._tokenize = tokenizer()
        self._preprocess = open_clip.image_transform(
            model.visual.image_size, is_train=False, mean=MEAN, std=STD
        )

    @torch.inference_mode()
    def encode_images(self, pictures: Sequence[Image.Image]) -> Vectors:
        """Encode pictures of any size."""
        batch = torch.stack([self._preprocess(picture) for picture in pictures])
        vectors: Vectors = self._model.encode_image(batch, normalize=True).numpy()
        return vectors

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Encode sentences."""
        tokens = self._tokenize(list(texts))
        vectors: Vectors = self._model.encode_text(tokens, normalize=True).numpy()
        return vectors
