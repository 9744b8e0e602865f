"""The words that the model in the box knows, and how to tell those that it cannot know."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

WORDS = Path(__file__).with_name("vocabulary.txt")

# Words that say nothing of what is seen, and are read over.
SILENT = frozenset(Path(__file__).with_name("silent.txt").read_text().split())

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|\d+")
_LONGEST = 4  # words in a phrase
_IRREGULAR = {
    **{"man": "men", "woman": "women", "child": "children", "person": "people", "foot": "feet"},
    **{"mouse": "mice", "goose": "geese", "tooth": "teeth", "wolf": "wolves", "leaf": "leaves"},
    **{"knife": "knives", "shelf": "shelves", "loaf": "loaves", "calf": "calves", "ox": "oxen"},
    **{name: name for name in ("sheep", "fish", "deer", "aircraft", "scissors", "series")},
}
_SINGULAR = {many: one for one, many in _IRREGULAR.items()}


def plural(name: str) -> str:
    """Return the plural of a noun, of its last word if it has several."""
    head, space, last = name.rpartition(" ")
    if last in _IRREGULAR:
        return head + space + _IRREGULAR[last]
    if last.endswith("y") and last[-2:-1] not in "aeiou":
        return name[:-1] + "ies"
    if last.endswith(("s", "x", "z", "ch", "sh")):
        return name if last.endswith("s") and not last.endswith("ss") else name + "es"
    return name + "s"


def _singulars(word: str) -> Iterator[str]:
    if word in _SINGULAR:
        yield _SINGULAR[word]
    if word.endswith("ies"):
        yield word[:-3] + "y"
    if word.endswith("es"):
        yield word[:-2]
    if word.endswith("s"):
        yield word[:-1]


def split(text: str, phrases: Collection[str]) -> list[str]:
    """Cut a text into phrases, the longest first, each in the form that is listed.

    Args:
        text: anything.
        phrases: lower case, with spaces between words, in the singular or as they come.

    Returns:
        The phrases in the order of the text; a word that is in none stands as it is.
    """
    words = [word.lower() for word in _WORD.findall(text)]
    found, at = [], 0
    while at < len(words):
        for length in range(min(_LONGEST, len(words) - at), 0, -1):
            name = _listed(words[at : at + length], phrases)
            if name is not None:
                break
        found.append(words[at] if name is None else name)
        at += length
    return found


def _listed(words: list[str], phrases: Collection[str]) -> str | None:
    name = " ".join(words)
    if name in phrases:
        return name
    head = name[: len(name) - len(words[-1])]
    return next((head + one for one in _singulars(words[-1]) if head + one in phrases), None)


@cache
def known_phrases() -> frozenset[str]:
    """Return every word and phrase that the model was taught, silent words with them."""
    return SILENT | set(WORDS.read_text(encoding="utf-8").splitlines())


def says_something(text: str) -> bool:
    """Whether a text holds a word that the model was taught to see something in."""
    phrases = known_phrases()
    return any(word in phrases and word not in SILENT for word in split(text, phrases))


def unknown_words(text: str) -> tuple[str, ...]:
    """Return the words of a text that the model cannot know, in order, each once.

    Words of another script are among them; digits and punctuation are not.
    """
    phrases = known_phrases()
    strange = [w for w in split(text, phrases) if w not in phrases and not w.isdigit()]
    return tuple(dict.fromkeys(strange))
