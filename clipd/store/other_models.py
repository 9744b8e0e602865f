"""The models that are not in use any more, and the end of what the catalog keeps of them."""

from __future__ import annotations

from collections.abc import Container, Generator, Sequence
from dataclasses import dataclass

from clipd.errors import RequestError
from clipd.store.catalog import Catalog
from clipd.store.rows import ModelRow
from clipd.suggest import nearest

_SLICE = 2000  # vectors in one transaction: .05 s, .15 at most (of 100,000 with 512 numbers)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A model whose vectors were dropped."""

    name: str
    photos: int  # live ones that had its vector


def models_to_forget(catalog: Catalog, name: str | None, in_use: Container[str]) -> list[ModelRow]:
    """Choose the models whose vectors are to go.

    Args:
        catalog: the catalog.
        name: of the model; None: all that are not in use. A name has several models where its
            weights were changed.
        in_use: the fingerprints of the model in use, and of one that is to be used next.

    Raises:
        RequestError: there is no model of that name, or it is in use.
    """
    known = catalog.models()
    others = [model for model in known if model.fingerprint not in in_use]
    chosen = others if name is None else [model for model in others if model.name == name]
    if name is not None and not chosen:
        raise _refusal(name, known, others)
    return chosen


def forgetting(
    catalog: Catalog, models: Sequence[ModelRow]
) -> Generator[Forgotten | None, None, None]:
    """Drop models and their vectors, a slice each time the iterator is asked.

    The room is used again by what the catalog takes in later.

    Yields:
        a model once it is gone, None in between.
    """
    for model in models:
        after: int | None = 0
        while after is not None:
            with catalog.writing():
                after = catalog.forget_vectors(model.id, after, _SLICE)
            yield None
        with catalog.writing():
            catalog.forget_model(model.id)
        yield Forgotten(model.name, model.photos)


def _refusal(name: str, known: Sequence[ModelRow], others: Sequence[ModelRow]) -> RequestError:
    if any(model.name == name for model in known):
        return RequestError(
            "model_in_use",
            f"{name} is the model in use; choose another first: clipd setup --model NAME",
            409,
        )
    names = list(dict.fromkeys(model.name for model in others))
    advice = f"there are vectors of: {', '.join(names)}" if names else "there are none of another"
    for near in nearest(name, names):
        advice = f"did you mean {near}?"
    return RequestError("no_such_model", f"there are no vectors of a model {name!r}; {advice}", 404)
