"""The only place that calls open_clip and torch's models. Child processes only."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from clipd.encode.model_json import read_json
from clipd.encode.openclip_library import bring_in_timm, open_clip
from clipd.encode.shortage import is_out_of_memory
from clipd.errors import ModelError
from clipd.json_types import JsonValue
from clipd.photo import ModelSpec, Pixels, Vectors
from clipd.pocket.weights import CONFIG

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_SAFE_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")


class TorchModel:
    """A loaded model: pixels or text in, unit vectors out."""

    runtime = "torch"
    does_both = False  # there is one team of OpenMP threads, which two callers would fight over
    measured: Mapping[str, JsonValue] = {}  # `precision` notes the choice, not the figures

    def __init__(self, spec: ModelSpec, module: torch.nn.Module, device: str) -> None:
        self.device = device
        self.precision = "fp32"
        self._spec = spec
        self.module = module.eval().to(device)
        self._tokenize = _tokenizer(spec)
        self._mean, self._std = (
            torch.tensor(values, device=device).view(3, 1, 1)
            for values in (spec.preprocess.mean, spec.preprocess.std)
        )

    def converted(self, precision: str) -> TorchModel:
        """Return a copy with weights and activations of another precision.

        Autocast would keep fp32 weights and convert them on each use: 22-34 images/s where
        converted weights give 89 (2 cores with AVX512-BF16).
        """
        copy = TorchModel(self._spec, deepcopy(self.module), self.device)
        copy.convert(precision)
        return copy

    def convert(self, precision: str) -> None:
        """Change the precision of this model; what a lower one rounded away stays lost."""
        self.module.to(DTYPES[precision])
        self.precision = precision

    def images(self, pixels: Pixels) -> Vectors:
        """Encode one slice of pictures in one forward pass.

        Args:
            pixels: uint8, shape (n, side, side, 3).

        Returns:
            Unit rows; a row of NaN where the vector came out zero or not finite.
        """
        with torch.inference_mode():
            batch = self.normalised(pixels).to(DTYPES[self.precision])
            return _unit(cast(Any, self.module).encode_image(batch))

    def texts(self, texts: Sequence[str]) -> Vectors:
        """Encode texts in one forward pass; what is over the context length is cut off.

        Returns:
            As `images`.
        """
        with torch.inference_mode():
            return _unit(cast(Any, self.module).encode_text(self.tokens(texts)))

    def tokens(self, texts: Sequence[str]) -> torch.Tensor:
        """Return the ids of texts as open_clip's tokenizer makes them, one row each."""
        return self._tokenize(list(texts)).to(self.device)

    def normalised(self, pixels: Pixels) -> torch.Tensor:
        """Return pictures as the model wants them: what open_clip's transform makes, exactly.

        The order of operations is that of torchvision's ToTensor and Normalize, so that the
        result is equal to the last bit.
        """
        batch = self._there(torch.from_numpy(pixels)).permute(0, 3, 1, 2).float()
        return batch.div_(255).sub_(self._mean).div_(self._std)

    def _there(self, tensor: torch.Tensor) -> torch.Tensor:
        """Move a tensor to the device; from pinned memory a GPU fetches it by itself."""
        if self.device == "cpu":
            return tensor
        return tensor.pin_memory().to(self.device, non_blocking=True)


def load(spec: ModelSpec, device: str, precision: str = "fp32") -> TorchModel:
    """Load a model, converted while it is read: the weights are never in memory twice.

    Raises:
        ModelError: the file is not there, not safe to read, or does not fit the architecture.
    """
    file = Path(spec.checkpoint)
    if file.suffix not in _SAFE_SUFFIXES:
        known = " or ".join(_SAFE_SUFFIXES)
        raise ModelError(f"cannot load {file}: model.checkpoint must be {known}")
    register(file)
    try:
        module = _without_weights(spec.architecture).to(DTYPES[precision])
        open_clip.load_checkpoint(module, str(file), strict=True, weights_only=True)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise ModelError(_why_not(spec, file, error)) from error
    model = TorchModel(spec, module, device)
    model.precision = precision
    return model


def _without_weights(architecture: str) -> torch.nn.Module:
    """Build a model whose weights hold whatever was in memory."""
    config = open_clip.get_model_config(architecture) or {}
    if "timm_model_name" in config.get("vision_cfg", {}):
        bring_in_timm()
    logging.disable(logging.WARNING)  # open_clip warns that it loads no weights; we do, next
    try:
        with warnings.catch_warnings(), _Uninitialised():
            warnings.simplefilter("ignore")
            return cast(
                torch.nn.Module, open_clip.create_model(architecture, pretrained_text=False)
            )
    finally:
        logging.disable(logging.NOTSET)


def register(checkpoint: Path | None = None) -> None:
    """Make our own architectures known: the one in the box, and one beside a checkpoint."""
    beside = checkpoint.with_suffix(".json") if checkpoint else CONFIG
    for file in {CONFIG, beside}:
        if "vision_cfg" in (read_json(file) or {}):
            open_clip.add_model_config(file)


def fetch_tokenizer(spec: ModelSpec) -> None:
    """Have the transformers library fetch the tokenizer of a model that needs its own.

    Raises:
        ModelError: it could not.
    """
    register(Path(spec.checkpoint))
    _tokenizer(spec)


def offers() -> dict[str, JsonValue]:
    """Return all architectures and pretrained weights of this open_clip, JSON-ready."""
    register()
    architectures = {name: open_clip.get_model_config(name) for name in open_clip.list_models()}
    rows: list[JsonValue] = []
    for name, tag in open_clip.list_pretrained():
        found = open_clip.get_pretrained_cfg(name, tag)
        if name in architectures and found["hf_hub"]:
            keys = ("hf_hub", "mean", "std", "interpolation", "resize_mode")
            rows.append(
                {"architecture": name, "pretrained": tag, **{key: found[key] for key in keys}}
            )
    return {"architectures": architectures, "offers": rows}


class _Uninitialised(TorchFunctionMode):
    """Skip the random filling of weights that a checkpoint overwrites a moment later.

    It is 1.5 of the 2 seconds that building ViT-B-32 takes. Safe because open_clip loads
    strictly: a weight that the checkpoint lacks is an error.
    """

    _FILLERS = frozenset({"normal_", "uniform_", "trunc_normal_", "kaiming_uniform_", "randn"})

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        name = getattr(func, "__name__", "")
        if name == "randn":
            return torch.empty(*args, **(kwargs or {}))
        if name in self._FILLERS:
            return (kwargs or {}).get("tensor", args[0] if args else None)
        return func(*args, **(kwargs or {}))


def _unit(out: torch.Tensor) -> Vectors:
    vectors = out.float()
    lengths = vectors.norm(dim=-1, keepdim=True)
    is_usable = torch.isfinite(lengths) & (lengths > 0)
    units = torch.where(is_usable, vectors / lengths, torch.nan)
    return cast(Vectors, units.cpu().numpy().astype(np.float32, copy=False))


def _tokenizer(spec: ModelSpec) -> Callable[[list[str]], torch.Tensor]:
    config = open_clip.get_model_config(spec.architecture) or {}
    try:
        return cast(Callable[[list[str]], torch.Tensor], open_clip.get_tokenizer(spec.architecture))
    except Exception as error:
        raise ModelError(
            f"cannot load the tokenizer {_foreign_tokenizer(config)} of {spec.architecture}: "
            f"{error}; install the Python package transformers, then fetch the model again"
        ) from error


def _foreign_tokenizer(config: dict[str, Any]) -> str:
    text = config["text_cfg"]
    return str(text.get("hf_tokenizer_name") or text.get("hf_model_name") or "")


def _why_not(spec: ModelSpec, file: Path, error: Exception) -> str:
    if not file.is_file():
        return f"the weights {file} are gone: run `clipd model fetch`, or correct model.checkpoint"
    text = str(error)
    if "TorchScript" in text or "weights_only" in text.lower() or "Weights only" in text:
        return f"{file} holds code beside weights, which is not run: convert it to safetensors"
    what = text.splitlines()[0] if text else repr(error)
    if isinstance(error, AssertionError) or "state_dict" in text or "size mismatch" in text:
        return (
            f"{file} does not fit the architecture {spec.architecture}: "
            f"set model.name to its own ({what})"
        )
    return f"cannot load {file} as {spec.architecture}: {what}"
