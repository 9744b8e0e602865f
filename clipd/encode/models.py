"""From the user's words to a model on this machine. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from clipd.config.options import ModelConfig
from clipd.encode.checkpoint import describe_checkpoint, described, unreadable
from clipd.encode.model_json import (
    as_json,
    fingerprinted,
    from_json,
    read_json,
    write_json,
)
from clipd.encode.pins import insist_on_bytes, known_pin
from clipd.encode.presets import (
    IN_THE_BOX,
    PRESETS,
    Preset,
    architectures_for,
    is_in_the_box,
    preset_named,
)
from clipd.encode.registry import Architecture, Offer, Offers, load_offers
from clipd.errors import ModelError, ModelMissingError
from clipd.json_types import JsonValue
from clipd.photo import ModelSpec, Preprocess

DESCRIPTION = "model.json"
FAR_DESCRIPTION = "far.json"  # of a model whose weights are on another machine, which encodes
HUB = "hf-hub:"
_LARGE_BYTES = 200 << 20
_MOST_DIM, _MOST_SIDE = 4096, 1024  # of what another machine may tell


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of ``clipd model list``."""

    name: str  # what to write as model.name
    pretrained: str  # and as model.pretrained; "" for a preset
    dim: int
    megabytes: int  # to download; 0 when not known, or nothing
    is_here: bool  # its weights are on this machine
    about: str


@dataclass(frozen=True, slots=True)
class Info:
    """What ``clipd model info`` tells of one model."""

    spec: ModelSpec
    size_bytes: int  # of the weights; 0: they are on another machine
    notes: tuple[str, ...]  # sentences


def resolve(config: ModelConfig, folder: Path, cache: Path, *, is_far: bool = False) -> ModelSpec:
    """Return the model that the configuration means, resolved to files on this machine.

    Args:
        config: the ``[model]`` table.
        folder: where fetched weights live.
        cache: for what can be found out again; may be emptied.
        is_far: another machine encodes: its description does where the weights are not here.

    Raises:
        ModelMissingError: its weights are not here; the message says how to get them.
        WrongModelError: there is no such model, or its checkpoint does not fit.
        ModelError: what is there cannot be read.
    """
    if config.checkpoint is not None:
        file = config.checkpoint.expanduser().absolute()
        return describe_checkpoint(file, config, _meant(config), cache)
    if is_in_the_box(config.name):
        return _in_the_box(folder)
    found = installed(config, folder, cache)
    if found is not None:
        return found
    if is_far and (described_there := _described_by_far(config, folder)) is not None:
        return described_there
    insist_on_known(config, cache)
    if is_far:
        raise ModelMissingError(
            f"nothing is known here of the model {config.name}: have the machine that encodes "
            "describe it with `clipd setup --encoder HOST`, or fetch it with `clipd model fetch`"
        )
    raise ModelMissingError(
        f"the model {config.name} is not on this machine (looked in {folder}): "
        "fetch it with `clipd model fetch`, set model.checkpoint to its weights, or use the model "
        f"in the box: clipd model use {IN_THE_BOX}"
    )


def keep_far_description(
    config: ModelConfig, folder: Path, told: dict[str, JsonValue]
) -> ModelSpec:
    """Keep what another machine tells of a model, so that its weights need not be here.

    Raises:
        ModelError: it makes no sense, or cannot be written.
    """
    spec = from_json(told)
    is_sane = 0 < spec.dim <= _MOST_DIM and 0 < spec.preprocess.side <= _MOST_SIDE
    if not is_sane or not spec.fingerprint:
        raise ModelError(f"the description of {config.name} that came makes no sense")
    home = homes(config, folder)[0]
    file = Path(spec.checkpoint).name or "weights"  # where it lies there is nothing to us
    kept = replace(spec, name=config.name, checkpoint=str(home / file))
    try:
        write_json(home / FAR_DESCRIPTION, as_json(kept))
    except OSError as error:
        raise ModelError(f"cannot write to {home}: {error.strerror}") from error
    return kept


def _described_by_far(config: ModelConfig, folder: Path) -> ModelSpec | None:
    for home in homes(config, folder):
        if (data := read_json(home / FAR_DESCRIPTION)) is not None:
            return replace(from_json(data), name=config.name)
    return None


def homes(config: ModelConfig, folder: Path) -> tuple[Path, ...]:
    """Return where the fetched weights of a model may lie, the likeliest place first."""
    architecture, pretrained = _meant(config)
    names = architectures_for(architecture, pretrained)
    return tuple(folder / slug(name, pretrained) for name in names)


def insist_on_known(config: ModelConfig, cache: Path) -> None:
    """Check that there is such a model, without a network.

    A repository on the hub, or a file of the user's, is taken for one.

    Raises:
        WrongModelError: there is none; the message names the nearest.
        ModelError: open_clip cannot be asked.
    """
    if config.checkpoint is None and not is_on_hub(config) and _meant_preset(config) is None:
        choose(config, load_offers(cache))


def choose(config: ModelConfig, offers: Offers) -> Offer:
    """Return the weights that the configuration means.

    Raises:
        WrongModelError: there are none; the message names the nearest.
    """
    return offers.find(*_meant(config))


def installed(config: ModelConfig, folder: Path, cache: Path) -> ModelSpec | None:
    """Return the fetched model that the configuration means, or None.

    Raises:
        ModelError: it is there, but not whole, or its bytes are not those that belong there.
    """
    architecture, pretrained = _meant(config)
    for name in architectures_for(architecture, pretrained):
        home = folder / slug(name, pretrained)
        data = read_json(home / DESCRIPTION)
        if data is not None:
            spec = _whole(home, data)
            pin = known_pin(name, pretrained)
            is_pinned = pin is not None and pin.file == data.get("file")
            sha256 = pin.sha256 if pin and is_pinned else str(data.get("sha256"))
            insist_on_bytes(Path(spec.checkpoint), sha256, cache)
            return replace(spec, name=config.name)
    return None


def listing(folder: Path, cache: Path, *, everything: bool = False) -> tuple[Listed, ...]:
    """Return the presets and, asked for everything, all weights that open_clip knows.

    Raises:
        ModelError: open_clip cannot be asked.
    """
    rows = [
        Listed(
            preset.name,
            "",
            preset.dim,
            preset.megabytes,
            preset.name == IN_THE_BOX or _is_described(preset, folder),
            preset.about,
        )
        for preset in PRESETS
    ]
    if everything:
        offers = load_offers(cache)
        rows += [_listed(offer, offers, folder) for offer in offers.all]
    return tuple(rows)


def _is_described(preset: Preset, folder: Path) -> bool:
    return (folder / slug(preset.architecture, preset.pretrained) / DESCRIPTION).is_file()


def info(config: ModelConfig, folder: Path, cache: Path, *, is_far: bool = False) -> Info:
    """Return what is known about the model that the configuration means.

    Args:
        config: as in `resolve`; so are the others.

    Raises:
        ModelError: as `resolve`.
    """
    spec = resolve(config, folder, cache, is_far=is_far)
    notes = []
    if spec.architecture != config.name and not preset_named(config.name):
        notes.append(
            f"{config.name} is loaded as {spec.architecture}: "
            f"the weights {spec.pretrained!r} were trained with that activation"
        )
    weights = Path(spec.checkpoint)
    is_here = weights.is_file() or not is_far
    return Info(spec, weights.stat().st_size if is_here else 0, tuple(notes))


def is_large(spec: ModelSpec) -> bool:
    """Whether its conversion for a processor takes much longer than the start of torch."""
    try:
        return Path(spec.checkpoint).stat().st_size >= _LARGE_BYTES
    except OSError:
        return False


def is_on_hub(config: ModelConfig) -> bool:
    """Whether the name is that of a repository, ``hf-hub:org/name``, as open_clip writes it."""
    return config.name.startswith(HUB)


def slug(architecture: str, pretrained: str) -> str:
    """Return the name of the folder of a fetched model."""
    return f"{architecture}--{pretrained.lower().replace('-', '_')}".replace("/", "-")


def _meant(config: ModelConfig) -> tuple[str, str]:
    preset = _meant_preset(config)
    if preset is None:
        return config.name, config.pretrained
    return preset.architecture, preset.pretrained


def _meant_preset(config: ModelConfig) -> Preset | None:
    preset = preset_named(config.name)
    is_other = preset and config.pretrained and config.pretrained != preset.pretrained
    return None if is_other else preset


def _whole(home: Path, data: dict[str, JsonValue]) -> ModelSpec:
    spec = from_json({**data, "checkpoint": str(home / str(data.get("file")))})
    weights = Path(spec.checkpoint)
    if not weights.is_file() or weights.stat().st_size != data.get("size_bytes"):
        raise ModelMissingError(
            f"the weights {weights} are gone or damaged: fetch them again with `clipd model fetch`"
        )
    return spec


def _listed(offer: Offer, offers: Offers, folder: Path) -> Listed:
    architecture = offers.architecture(offer.architecture)
    needs = f"needs transformers for {architecture.tokenizer}" if architecture.tokenizer else ""
    home = folder / slug(offer.architecture, offer.pretrained)
    return Listed(
        offer.architecture,
        offer.pretrained,
        architecture.dim,
        0,
        (home / DESCRIPTION).is_file(),
        needs,
    )


def _in_the_box(folder: Path) -> ModelSpec:
    # Imported here: the weights module is the only part of that model that clipd needs.
    from clipd.pocket.weights import CONFIG, MEAN, STD, checkpoint, seal_of

    architecture = Architecture.of(IN_THE_BOX, read_json(CONFIG))
    try:
        file = checkpoint(folder)
    except OSError as error:
        raise ModelError(f"cannot put the model in the box into {folder}: {error}") from error
    preprocess = Preprocess(side=architecture.side, mean=MEAN, std=STD)
    spec = described(IN_THE_BOX, architecture, "", file, preprocess)
    try:
        # Compared with the file's bytes just now; to hash them again takes 32 ms of every start.
        return fingerprinted(spec, architecture.config, seal_of(file).read_text())
    except OSError as error:
        raise unreadable(file, error) from error
