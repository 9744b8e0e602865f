"""The models that have a short name, and the files on disk that belong to a name."""

from __future__ import annotations

from dataclasses import dataclass

IN_THE_BOX = "pocket"  # the preset that comes with clipd and needs no network
QUICK = "-quickgelu"


@dataclass(frozen=True, slots=True)
class Preset:
    """A model by its common name."""

    name: str
    architecture: str  # open_clip's model name
    pretrained: str  # open_clip's tag
    dim: int
    megabytes: int  # to download
    about: str


# OpenAI trained with QuickGELU: with the plain architecture the same weights load without a
# complaint and the best hit changes silently, so its presets name the quickgelu twins.
PRESETS: tuple[Preset, ...] = (
    Preset(IN_THE_BOX, IN_THE_BOX, "", 512, 0, "in the box: needs no download; for a first look"),
    Preset("ViT-B-32-256", "ViT-B-32-256", "datacomp_s34b_b86k", 512, 605, "the default"),
    Preset("clip-vit-base-patch32", "ViT-B-32-quickgelu", "openai", 512, 605, "the classic"),
    Preset("clip-vit-base-patch16", "ViT-B-16-quickgelu", "openai", 512, 599, "finer, 4x the work"),
    Preset("clip-vit-large-patch14", "ViT-L-14-quickgelu", "openai", 768, 1711, "20x the work"),
)


def preset_named(name: str) -> Preset | None:
    """Return the preset of that name, ``openai/`` in front of it or not."""
    wanted = name.removeprefix("openai/").lower()
    if wanted == "tiny":  # what stood in its place in 0.1, and may stand in a configuration
        wanted = IN_THE_BOX
    return next((preset for preset in PRESETS if preset.name.lower() == wanted), None)


def is_in_the_box(name: str) -> bool:
    """Whether the name is that of the model which comes with clipd."""
    preset = preset_named(name)
    return preset is not None and preset.name == IN_THE_BOX


def architectures_for(name: str, pretrained: str) -> tuple[str, ...]:
    """Return the architectures that a name and a tag can mean, the likeliest first."""
    if name.endswith(QUICK):
        return (name,)
    return (name + QUICK,) if pretrained == "openai" else (name, name + QUICK)
