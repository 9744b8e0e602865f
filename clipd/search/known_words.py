"""What a model cannot know of a query: said, rather than answered with noise."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from clipd.config.options import ModelConfig
from clipd.encode.presets import is_in_the_box
from clipd.pocket.vocabulary import says_something, unknown_words
from clipd.search.query import Query

_MOST = 5  # unknown words that are named
# In the names of open_clip's models that were taught captions of many languages.
_OF_MANY_LANGUAGES = ("xlm", "nllb", "siglip2", "i18n", "multilingual", "mexma")
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
    """Tell what the model of that name knows of a query.

    The model in the box knows a list of words; of others it is known only that those of English
    captions were hardly shown another script.
    """
    if not is_in_the_box(model):
        return Understanding(_foreign_note(query, model))
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


def _foreign_note(query: Query, model: str) -> str:
    if any(word in model.lower() for word in _OF_MANY_LANGUAGES):
        return ""
    foreign = [
        term.text for term in query.terms if term.text is not None and _is_foreign(term.text)
    ]
    if not foreign:
        return ""
    return (
        f"the model {model} was taught English and hardly knows {_listed(tuple(foreign))}: "
        "what it finds may mean nothing; ask in English"
    )


def _is_foreign(text: str) -> bool:
    """Whether most letters of a text are of another script than English."""
    letters = [each for each in text if each.isalpha()]
    latin = sum(unicodedata.name(each, "").startswith("LATIN") for each in letters)
    return 2 * latin < len(letters)


def _listed(words: tuple[str, ...]) -> str:
    named = ", ".join(f'"{word}"' for word in words[:_MOST])
    return named + (f" and {len(words) - _MOST} more" if len(words) > _MOST else "")
