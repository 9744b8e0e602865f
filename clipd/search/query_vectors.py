"""The vectors of queries: from the catalog where it knows them, else from the children."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from clipd.deadline import answer_within
from clipd.decode.pool import DecoderPool
from clipd.encode.handle import Encoder
from clipd.errors import RequestError
from clipd.photo import Refused
from clipd.search.query import Query, Term
from clipd.store.view import StoreView

Vector: TypeAlias = NDArray[np.float32]  # (dim,)
_DISK_SECONDS = 5.0  # for the disk of a query picture to say whether the file is there
_SMALLEST_NORM = 1e-6  # of a sum of terms; below it they cancel each other


@dataclass(frozen=True, slots=True)
class Aims:
    """What a query looks for, as unit vectors.

    Attributes:
        whole: all terms; photos are ranked by it. None: there are none.
        wanted: only what it asks for, and not what it pushes away; None: it asks for nothing.
        without: what no hit may be.
    """

    whole: Vector | None
    wanted: Vector | None
    without: tuple[Vector, ...] = ()


class QueryVectors:
    """Turns the terms of a query into one unit vector. Any thread."""

    def __init__(
        self,
        stored: StoreView,
        encoder: Encoder,
        pool: DecoderPool,
        remember: Callable[[str, Vector], None],
    ) -> None:
        """Join what knows vectors and what makes them.

        Args:
            stored: where texts asked before and photos have their vectors.
            encoder: makes the others.
            pool: decodes the pictures of queries.
            remember: takes the vector of a text into the cache of the catalog, later.
        """
        self._stored = stored
        self._encoder = encoder
        self._pool = pool
        self._remember = remember

    @property
    def is_awake(self) -> bool:
        """Whether the encoder of texts needs no start."""
        return self._encoder.status().state == "ready"

    def known(self, query: Query) -> Aims | None:
        """Return the vectors if the catalog knows them of every term; else None. Never waits.

        Raises:
            RequestError: the terms cancel each other.
        """
        terms = _all_terms(query)
        found = [vector for term in terms if (vector := self._known_term(term)) is not None]
        return _aims(query, found) if len(found) == len(terms) else None

    def made(self, query: Query) -> Aims:
        """Return the vectors; wait for a decoder or the encoder where it takes one.

        Raises:
            RequestError: a query picture cannot be read, or the terms cancel each other.
            EncodeError: the model cannot be run.
        """
        worth_keeping = not query.typing
        return _aims(query, [self._term(term, worth_keeping) for term in _all_terms(query)])

    def of_texts(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vectors of texts; those that the catalog does not know are encoded together.

        Raises:
            EncodeError: the model cannot be run.
        """
        vectors = {text: self._known_term(Term(text=text)) for text in texts}
        new = [text for text, vector in vectors.items() if vector is None]
        keys = [text_key(text) for text in new]
        for text, key, vector in zip(new, keys, self._encoder.encode_texts(keys), strict=True):
            vectors[text] = vector
            self._remember(key, vector)
        return [vector for vector in vectors.values() if vector is not None]

    def asked_photo(self, query: Query) -> int | None:
        """Return the photo that a query is, where it asks for what looks like one photo alone."""
        if len(query.terms) != 1 or query.terms[0].weight < 0:
            return None
        (term,) = query.terms
        return self._stored.reader.photo_at(term.path) if term.path is not None else term.photo

    def _known_term(self, term: Term) -> Vector | None:
        stored = self._stored
        if term.text is not None:
            return stored.reader.vectors.of_text(stored.model, text_key(term.text))
        photo = term.photo
        if term.path is not None:
            photo = stored.reader.photo_at(term.path)
        return None if photo is None else stored.reader.vectors.of_photo(stored.model, photo)

    def _term(self, term: Term, worth_keeping: bool) -> Vector:
        known = self._known_term(term)
        if known is not None:
            return known
        if term.text is not None:
            return self._text(text_key(term.text), worth_keeping)
        if term.picture is not None:
            return self._picture(term.picture)
        if term.photo is not None:
            raise RequestError(
                "no_such_photo", f"there is no photo {term.photo} any more; search again", 404
            )
        assert term.path is not None
        return self._file(term.path)

    def _text(self, key: str, worth_keeping: bool) -> Vector:
        vector: Vector = self._encoder.encode_texts([key])[0]
        if worth_keeping:
            self._remember(key, vector)
        return vector

    def _file(self, path: bytes) -> Vector:
        if not _exists(path):
            raise RequestError("no_such_file", f"there is no file {os.fsdecode(path)}", 404)
        return self._pixels_to_vector(path)

    def _picture(self, content: bytes) -> Vector:
        fd = os.memfd_create("clipd-query", os.MFD_CLOEXEC)
        with os.fdopen(fd, "w+b") as file:
            file.write(content)
            file.flush()
            file.seek(0)
            return self._pixels_to_vector(file.fileno())

    def _pixels_to_vector(self, source: bytes | int) -> Vector:
        outcome = self._pool.decode_now(source)
        if isinstance(outcome, Refused):
            raise RequestError(
                "not_a_picture", f"the query picture cannot be used: {outcome.reason}", 422
            )
        assert outcome.pixels is not None
        vector: Vector = self._encoder.encode_query_image(outcome.pixels[np.newaxis])[0]
        return vector


def _all_terms(query: Query) -> list[Term]:
    return [*query.terms, *(Term(text=text) for text in query.without)]


def _aims(query: Query, vectors: Sequence[Vector]) -> Aims:
    """Join the vectors of all terms.

    Raises:
        RequestError: the terms cancel each other.
    """
    terms = query.terms
    if not terms:
        return Aims(None, None, tuple(vectors))
    whole = weighted_sum(terms, vectors[: len(terms)])
    wanted: Vector | None = whole
    if any(term.weight < 0 for term in terms):
        asked = [pair for pair in zip(terms, vectors, strict=False) if pair[0].weight > 0]
        wanted = weighted_sum(*zip(*asked, strict=True)) if asked else None
    return Aims(whole, wanted, tuple(vectors[len(terms) :]))


def _exists(path: bytes) -> bool:
    try:
        return answer_within(_DISK_SECONDS, lambda: os.path.lexists(path))
    except TimeoutError as error:
        raise RequestError(
            "disk_silent",
            f"the disk of {os.fsdecode(path)} does not answer; try again when it does",
            503,
        ) from error


def text_key(text: str) -> str:
    """Return the spelling that stands for a text in the cache.

    CLIP's tokenizer lower-cases and folds white space itself; doing so here lets one row
    serve every spelling.
    """
    return " ".join(unicodedata.normalize("NFC", text).lower().split())


def weighted_sum(terms: Sequence[Term], vectors: Sequence[Vector]) -> Vector:
    """Add up the vectors of terms by their weights; a unit vector.

    Raises:
        RequestError: nothing is left of them.
    """
    total = np.zeros_like(vectors[0])
    for term, vector in zip(terms, vectors, strict=True):
        total += np.float32(term.weight) * vector
    norm = float(np.linalg.norm(total))
    if norm < _SMALLEST_NORM:
        raise RequestError(
            "terms_cancel", "the terms of the query cancel each other; change a weight"
        )
    return total / np.float32(norm)
