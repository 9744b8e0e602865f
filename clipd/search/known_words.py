"""What the model in the box does not know of a query: said, rather than answered with noise."""

from __future__ import annotations

from dataclasses import dataclass

from clipd.config.options import ModelConfig
from clipd.encode.presets import is_in_the_box
from clipd.pocket.vocabulary import says_something, unknown_words
from clipd.search.query import Query

_MOST = 5  # unknown words that are named
_DEFAULT = ModelConfig().name


@dataclass(frozen=True, slots=True)
class Understanding:
    """How far a model's words reach a query.

    Attributes:
        note: a sentence on the words that it does not know; empty if there are none.
        is_nothing: no part of the query that is looked for says anything to it.
    """

    note: str = ""
    is_nothing: bool = False


def understand(query: Query, model: str) -> Understanding:
    """Tell what the model of that name knows of a query; every other model knows all."""
    if not is_in_the_box(model):
        return Understanding()
    texts = [term.text for term in query.terms if term.text is not None]
    strange = tuple(dict.fromkeys(word for text in texts for word in unknown_words(text)))
    wanted = [term for term in query.terms if term.weight > 0]
    if wanted and all(term.text is not None and not says_something(term.text) for term in wanted):
        what = f"knows nothing of {_listed(strange)}" if strange else "sees nothing in these words"
        return Understanding(
            f"the model {model} {what}: name a thing or a place, "
            f"or use a model that reads whole sentences: clipd model use {_DEFAULT}",
            is_nothing=True,
        )
    if not strange:
        return Understanding()
    return Understanding(
        f"the model {model} does not know {_listed(strange)}: searched for the rest"
    )


def _listed(words: tuple[str, ...]) -> str:
    named = ", ".join(f'"{word}"' for word in words[:_MOST])
    return named + (f" and {len(words) - _MOST} more" if len(words) > _MOST else "")
