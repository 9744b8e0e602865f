"""The loop that every tutorial shows: decode in full, fp32, batches of 32, one after the other.

Prints photos per second, and the milliseconds of a core that one took. It runs in a process of its
own, with the threads torch chooses.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import open_clip
import torch
from PIL import Image

_BATCH = 32


def measure(
    folder: Path, architecture: str, weights: Path, device: str = "cpu"
) -> tuple[float, float]:
    """Encode every photo of a folder; the start of the model is not counted."""
    model, _, preprocess = open_clip.create_model_and_transforms(
        architecture, pretrained=str(weights)
    )
    model.eval().to(device)
    files = sorted(folder.glob("*.jpg"))
    with torch.no_grad():
        model.encode_image(torch.zeros(1, 3, 224, 224, device=device))  # what a first call sets up
        began, cpu = time.perf_counter(), time.process_time()
        for start in range(0, len(files), _BATCH):
            batch = [preprocess(Image.open(file)) for file in files[start : start + _BATCH]]
            vectors = model.encode_image(torch.stack(batch).to(device))
            torch.nn.functional.normalize(vectors, dim=-1).cpu()
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
    return len(files) / took, 1000 * cpu / len(files)


if __name__ == "__main__":
    print(*measure(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), *sys.argv[4:]))
