"""From taught weights to the files that are shipped."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray

from clipd.pocket import model
from clipd.pocket.weights import TOKENS, tower_file

_TRUNK = "visual.trunk."


def pack(
    state: Mapping[str, torch.Tensor],
    ids: NDArray[np.int64],
    words: Iterable[str],
    folder: Path,
) -> None:
    """Write the taught weights, the known words, and where the image tower's bytes are.

    Weights are kept in fp16, the rows of tokens in int8, each with a scale of its own.

    Args:
        state: the weights of everything but the image tower; the table of tokens is compact.
        ids: which tokens its rows, but the first, are of.
        words: what the model knows.
        folder: that of the package, or another.
    """
    rest = {name: value.half() for name, value in state.items() if name != TOKENS}
    rows = state[TOKENS][1:]
    scales = rows.abs().amax(dim=1).clamp(min=1e-6) / 127
    rest[TOKENS + ".int8"] = (rows / scales[:, None]).round().to(torch.int8)
    rest[TOKENS + ".scales"] = scales.float()
    rest[TOKENS + ".ids"] = torch.from_numpy(ids.astype(np.int32))
    packed = gzip.compress(safetensors.torch.save(rest), compresslevel=9, mtime=0)
    (folder / "weights.safetensors.gz").write_bytes(packed)
    (folder / "vocabulary.txt").write_text("".join(f"{word}\n" for word in sorted(set(words))))
    (folder / "image_tower.json").write_text(_layout())
    print(f"weights: {len(packed) / 1e6:.2f} MB, {len(ids)} tokens", flush=True)


def _layout() -> str:
    """Find the bytes of each tensor of the image tower in the file that ships it."""
    content = tower_file().read_bytes()
    shipped = list(torch.load(tower_file(), weights_only=True).values())
    names = [name for name in model.create().state_dict() if name.startswith(_TRUNK)]
    entries = []
    for name, tensor in zip(names, shipped[: len(names)], strict=True):  # the classifier is last
        # The weights came from TensorFlow: in memory, the axes of a kernel stand in its order.
        axes = sorted(range(tensor.ndim), key=lambda axis: -tensor.stride(axis))
        first = content.find(tensor.permute(axes).numpy().tobytes())
        assert first >= 0, name
        dtype = "I64" if tensor.dtype == torch.int64 else "F32"
        entry = [dtype, list(tensor.shape), axes, first]
        entries.append(f"{json.dumps(name)}: {json.dumps(entry)}")
    return "{\n" + ",\n".join(entries) + "\n}\n"
