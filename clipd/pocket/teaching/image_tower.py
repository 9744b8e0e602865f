"""The image tower as the package ships it: EfficientNet-Lite0 with its ImageNet classifier."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray

from clipd.pocket.weights import tower_file

# It reports each use; OpenVINO does without it (see clipd/encode/openvino_library.py).
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
import openvino  # noqa: E402

Features = NDArray[np.float32]  # (n, 1280), what the classifier reads

NETWORK = "tf_efficientnet_lite0"
CLASSES = 1_000


@dataclass(frozen=True, slots=True)
class ImageTower:
    """The network, and what its last layers say about the features before them.

    Attributes:
        look: gives the features of a float32 batch (n, 3, 224, 224) in [-1, 1].
        rows: (1000, 1280), the classifier's rows, each less their mean.
        mean: (1280,), the mean of the features of photographs, as far as the weights tell.
    """

    look: Callable[[NDArray[np.float32]], Features]
    rows: Features
    mean: Features


def load() -> ImageTower:
    """Load the tower from the installed package, its tensors in the order of timm's own."""
    network: Any = timm.create_model(NETWORK, pretrained=False).eval()
    shipped = torch.load(tower_file(), weights_only=True)
    ours = network.state_dict()
    network.load_state_dict(dict(zip(ours, shipped.values(), strict=True)))
    rows = network.classifier.weight.detach().numpy()
    rows = rows - rows.mean(axis=0)
    mean = _mean(network)
    network.reset_classifier(0)
    return ImageTower(_compiled(network), rows, mean)


def _compiled(network: torch.nn.Module) -> Callable[[NDArray[np.float32]], Features]:
    """Have OpenVINO run the network: 320 pictures a second and core, where torch does 22."""
    example = torch.zeros(1, 3, 224, 224)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, on the tracing that OpenVINO does
        converted = openvino.convert_model(network, example_input=example)
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(converted, "CPU", settings)

    def look(batch: NDArray[np.float32]) -> Features:
        features: Features = compiled(batch)[0]
        return features

    return look


def _mean(network: Any) -> Features:
    """Give the mean of relu6 over the normal that the last batch norm makes of each channel."""
    norm = network.bn2
    dice = np.random.default_rng(0).standard_normal(4096).astype(np.float32)
    scale, shift = norm.weight.detach().numpy(), norm.bias.detach().numpy()
    mean: Features = np.clip(shift[:, None] + scale[:, None] * dice, 0, 6).mean(axis=1)
    return mean


def features_of(tower: ImageTower, pixels: NDArray[np.uint8]) -> Features:
    """Give the features of pictures: uint8, (n, 224, 224, 3), RGB."""
    return tower.look(pixels.transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1)
