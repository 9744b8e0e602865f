"""What open_clip offers: its architectures and pretrained weights, asked of a child once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from clipd.encode.inspector import Inspector
from clipd.encode.model_json import (
    number,
    preprocess_from,
    read_json,
    remember,
    tokenizer_folder,
)
from clipd.encode.presets import PRESETS, QUICK
from clipd.errors import ModelError, WrongModelError
from clipd.json_types import JsonValue
from clipd.photo import ModelSpec, Preprocess
from clipd.suggest import nearest


@dataclass(frozen=True, slots=True)
class Architecture:
    """The shape of a model, without weights."""

    name: str
    dim: int
    side: int  # of its pictures, pixels
    tokenizer: str  # of the transformers library, "" for open_clip's own
    config: JsonValue  # as open_clip reads it

    @classmethod
    def of(cls, name: str, config: JsonValue) -> Architecture:
        """Read an open_clip config.

        Raises:
            ModelError: it is not one, or its pictures are not square.
        """
        try:
            assert isinstance(config, dict)
            vision, text = config["vision_cfg"], config["text_cfg"]
            assert isinstance(vision, dict)
            assert isinstance(text, dict)
            return cls(
                name,
                number(config["embed_dim"]),
                number(vision.get("image_size", 224)),
                str(text.get("hf_tokenizer_name") or text.get("hf_model_name") or ""),
                config,
            )
        except (AssertionError, KeyError, TypeError) as error:
            raise ModelError(
                f"the config of the architecture {name!r} cannot be used: {error!r}"
            ) from error


@dataclass(frozen=True, slots=True)
class Offer:
    """One set of weights that open_clip knows by architecture and tag."""

    architecture: str
    pretrained: str
    repository: str  # on the Hugging Face hub: "laion/..."
    file: str  # in the repository, "" for open_clip's usual names
    preprocess: JsonValue  # without the side, which is the architecture's


class Offers:
    """All architectures and weights of the installed open_clip."""

    def __init__(self, architectures: Mapping[str, JsonValue], offers: list[Offer]) -> None:
        self._architectures = architectures
        self.all = offers
        self._known = {(offer.architecture, offer.pretrained): offer for offer in offers}

    def architecture(self, name: str) -> Architecture:
        """Return an architecture.

        Raises:
            WrongModelError: there is none; the message names the nearest.
        """
        if name not in self._architectures:
            names = [*(preset.name for preset in PRESETS), *self._architectures]
            raise WrongModelError(
                f"there is no model {name!r}{_did_you_mean(name, names)}; "
                "see them all with: clipd model list --all"
            )
        return Architecture.of(name, self._architectures[name])

    def find(self, architecture: str, pretrained: str) -> Offer:
        """Return the weights of that name and tag, with the activation they were trained with.

        Raises:
            WrongModelError: there are none; the message names the nearest.
        """
        if found := self.get(architecture, pretrained):
            return found
        self.architecture(architecture)
        tags = sorted({o.pretrained for o in self.all if o.architecture == architecture})
        if not tags:
            raise WrongModelError(
                f"open_clip has no weights for {architecture}: "
                "set model.checkpoint to a file of yours, or choose another model.name"
            )
        if not pretrained:
            raise WrongModelError(
                f"{architecture} is an architecture, not yet a model: "
                f"set model.pretrained to one of its weights: {', '.join(tags)}"
            )
        hint = _did_you_mean(pretrained, tags) or f": it has {', '.join(tags)}"
        raise WrongModelError(f"{architecture} has no weights {pretrained!r}{hint}")

    def get(self, architecture: str, pretrained: str) -> Offer | None:
        """Return the same as `find`, or None."""
        tag = pretrained.lower().replace("-", "_")  # as open_clip does
        quick = self._known.get((architecture + QUICK, tag))
        return quick or self._known.get((architecture, tag))

    def preprocess(self, offer: Offer) -> Preprocess:
        """Return how pictures are prepared for those weights.

        Raises:
            ModelError: in a way that clipd does not know.
        """
        return sided(offer.preprocess, self.architecture(offer.architecture))


def load_offers(cache: Path, inspector: Inspector | None = None) -> Offers:
    """Return what the installed open_clip offers, from the cache or from a child that asks it.

    Args:
        cache: for what can be found out again.
        inspector: the child to ask; None for one of its own.

    Raises:
        ModelError: the child failed, as when torch does not import.
    """
    file = cache / f"open_clip-{version('open_clip_torch')}.json"
    data = read_json(file)
    if data is None:
        with nullcontext(inspector) if inspector else Inspector(cache) as asked:
            data = asked.ask({"op": "offers"})
        remember(file, data)
    try:
        return _parse(data)
    except (AssertionError, KeyError) as error:
        raise ModelError(f"the list of models cannot be read: remove {file}") from error


def environment_of(spec: ModelSpec) -> dict[str, str]:
    """Return what the transformers library has to know to find the tokenizer of a model."""
    return {"HF_HUB_CACHE": str(tokenizer_folder(spec))}


def sided(preprocess: JsonValue, architecture: Architecture) -> Preprocess:
    """Return open_clip's preprocessing with the picture side of an architecture.

    Raises:
        ModelError: in a way that clipd does not know.
    """
    try:
        assert isinstance(preprocess, dict)
        return preprocess_from({**preprocess, "side": architecture.side, "fill": 0})
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"the pictures of {architecture.name} are prepared in an unknown way"
        ) from error


def _did_you_mean(word: str, words: Iterable[str]) -> str:
    near = nearest(word, words, most=2)
    return f": did you mean {' or '.join(map(repr, near))}?" if near else ""


def _parse(data: Mapping[str, JsonValue]) -> Offers:
    architectures, rows = data["architectures"], data["offers"]
    assert isinstance(architectures, dict)
    assert isinstance(rows, list)
    return Offers(architectures, [_offer(row) for row in rows])


def _offer(row: JsonValue) -> Offer:
    assert isinstance(row, dict)
    repository, _, file = str(row["hf_hub"]).rpartition("/")
    preprocess: dict[str, JsonValue] = {
        "resize": row["resize_mode"],
        "interpolation": row["interpolation"],
        "mean": row["mean"],
        "std": row["std"],
    }
    return Offer(str(row["architecture"]), str(row["pretrained"]), repository, file, preprocess)
