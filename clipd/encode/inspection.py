"""Answers to questions about models. Child only."""

from __future__ import annotations

import numpy as np

from clipd.encode import openclip
from clipd.encode.model_json import from_json
from clipd.encode.probe import probe_pictures
from clipd.errors import ModelError
from clipd.json_types import JsonObject
from clipd.photo import ModelSpec


def answer(question: JsonObject) -> JsonObject:
    """Answer "offers", "check" or "tokenizer" (see `inspect_worker`).

    Raises:
        ModelError: the model cannot be used.
    """
    if question["op"] == "offers":
        return openclip.offers()
    data = question["spec"]
    assert isinstance(data, dict)
    spec = from_json(data)
    if question["op"] == "tokenizer":
        openclip.fetch_tokenizer(spec)
    else:
        _check(spec)
    return {"ok": True}


def _check(spec: ModelSpec) -> None:
    model = openclip.load(spec, "cpu")
    for vectors in (
        model.images(probe_pictures(spec.preprocess.side)[:1]),
        model.texts(["a photo of a cat"]),
    ):
        if vectors.shape != (1, spec.dim):
            raise ModelError(
                f"{spec.checkpoint} makes vectors of {vectors.shape[1]} numbers, "
                f"but {spec.architecture} should make {spec.dim}"
            )
        if np.isnan(vectors).any():
            raise ModelError(
                f"{spec.checkpoint} makes vectors that are zero or not finite: "
                "it is damaged; get it anew"
            )
