"""From traits to sentences, and from a few words back to traits."""

from __future__ import annotations

import re
from random import Random

from clipd.errors import SceneError
from clipd.pocket.words import COLOURS, COUNTS, SCENES, SUBJECTS, Subject, Traits

TRAINING_TEMPLATES = (
    "{}",
    "{}",
    "{}",
    "a photo of {}",
    "a picture of {}",
    "an image of {}",
    "a drawing of {}",
    "this is {}",
    "a photo showing {}",
    "there is {} here",
    "{} in a photo",
    "a good photo of {}",
    "a close view of {}",
    "one sees {}",
)
REPORT_TEMPLATES = (
    "holiday picture, {}",
    "from our family album: {}",
    "my snapshot with {} in it",
    "look what we found, {}!",
    "a postcard that shows {}",
    "{}, taken on a trip last summer",
    "wallpaper with {}",
    "the camera was pointed at {}",
)

_POSITIONS = {
    "left": ("on the left", "at the left side"),
    "right": ("on the right", "at the right side"),
}
_TIMES = {"night": ("at night", "by night", "in the dark"), "dusk": ("at dusk", "in the evening")}
_WEATHERS = {
    "rain": ("in the rain", "on a rainy day", "in rainy weather"),
    "snow": ("in the snow", "in falling snow", "while it is snowing"),
    "fog": ("in the fog", "in fog", "in the mist"),
}


def phrase(word: str, traits: Traits, rng: Random | None = None) -> str:
    """Name a scene: "two red cars at night".

    Args:
        word: one of `SCENES`.
        traits: what to say of it.
        rng: dice for synonyms and for other ways to say the same; without them the canonical one.

    Returns:
        The words, without a template around them.
    """
    subject = SUBJECTS[word]
    parts = [_noun(subject, traits, rng)]
    for value, ways in (
        (traits.position, _POSITIONS),
        (traits.weather, _WEATHERS),
        (traits.time, _TIMES),
    ):
        if value:
            parts.append(rng.choice(ways[value]) if rng else ways[value][0])
    if rng and len(parts) > 1 and rng.random() < 0.2:
        parts.insert(0, parts.pop() + ",")
    return " ".join(parts)


def _noun(subject: Subject, traits: Traits, rng: Random | None) -> str:
    name = subject.word
    if rng and subject.synonyms and rng.random() < 0.3:
        name = rng.choice(subject.synonyms)
    colour = traits.colour
    if rng and colour == "grey" and rng.random() < 0.5:
        colour = "gray"
    adjective = f"{colour} " if colour else ""
    if traits.count > 1:
        plural = subject.plural if name == subject.word else f"{name}s"
        return f"{COUNTS[traits.count]} {adjective}{plural}"
    if rng and rng.random() < 0.35:
        return adjective + name
    if adjective:
        article = "an " if adjective[0] in "aeiou" else "a "
    elif name == subject.word:
        article = subject.article
    else:
        article = "an " if name[0] in "aeiou" else "a "
    return article + adjective + name


def _names() -> dict[str, str]:
    names: dict[str, str] = {}
    for subject in SUBJECTS.values():
        for name in (subject.word, subject.plural, *subject.synonyms):
            if name:
                names[name] = subject.word
                names.setdefault(f"{name}s", subject.word)
    return names


_NAMES = _names()
_NAME = re.compile(
    r"\b(?:" + "|".join(sorted(map(re.escape, _NAMES), key=len, reverse=True)) + r")\b"
)
_HINTS: dict[str, tuple[str, str | int]] = {
    **{colour: ("colour", colour) for colour in COLOURS},
    "gray": ("colour", "grey"),
    **{name: ("count", number) for number, name in COUNTS.items()},
    **{str(number): ("count", number) for number in COUNTS},
    "left": ("position", "left"),
    "right": ("position", "right"),
    **dict.fromkeys(("night", "dark"), ("time", "night")),
    **dict.fromkeys(("dusk", "evening"), ("time", "dusk")),
    **dict.fromkeys(("rain", "rainy", "raining"), ("weather", "rain")),
    **dict.fromkeys(("snow", "snowy", "snowing"), ("weather", "snow")),
    **dict.fromkeys(("fog", "foggy", "mist", "misty"), ("weather", "fog")),
}


def parse(words: str) -> tuple[str, Traits]:
    """Find what a few words ask for: the first subject named, and its traits.

    Words that say nothing known are passed over.

    Args:
        words: such as "sunset", or "a red car at night".

    Returns:
        One of `SCENES`, and the traits stated.

    Raises:
        SceneError: they name no subject.
    """
    text = words.lower()
    found = _NAME.search(text)
    if found is None:
        raise SceneError(
            f'cannot draw "{words}": it names no known scene; use one of: {", ".join(SCENES)}'
        )
    rest = text[: found.start()] + " " + text[found.end() :]
    values = dict(_HINTS[hint] for hint in re.findall(r"\w+", rest) if hint in _HINTS)
    return _NAMES[found.group()], Traits(**values)  # type: ignore[arg-type]


def vocabulary() -> list[str]:
    """Give every word that a training caption can hold, sorted."""
    ways = (*_POSITIONS.values(), *_TIMES.values(), *_WEATHERS.values())
    texts = [*_NAMES, *COLOURS, *COUNTS.values(), *TRAINING_TEMPLATES, "a an , gray"]
    texts += [text for group in ways for text in group]
    return sorted({word for text in texts for word in text.replace("{}", " ").split()})
