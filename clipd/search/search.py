"""THE READ PATH: query -> vector -> index -> catalog -> hits. Any thread; writes nothing."""

from __future__ import annotations

import os
import time
import unicodedata
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from clipd.config.options import SearchConfig
from clipd.deadline import answer_within
from clipd.decode.pool import DecoderPool
from clipd.encode.handle import Encoder
from clipd.errors import RequestError
from clipd.photo import Hit, Refused
from clipd.search.query import Answer, Query, Term
from clipd.store.index import VectorIndex
from clipd.store.reader import CatalogReader
from clipd.store.rows import Located
from clipd.watch.roots import Roots

Vector = NDArray[np.float32]  # (dim,)
_DISK_SECONDS = 5.0  # for the disk of a query picture to say whether the file is there
_SMALLEST_NORM = 1e-6  # of a sum of terms; below it they cancel each other


class Search:
    """Answers queries from the index and the catalog."""

    def __init__(
        self,
        *,
        reader: CatalogReader,
        model: int,
        model_name: str,
        index: VectorIndex,
        encoder: Encoder,
        pool: DecoderPool,
        roots: Roots,
        remember: Callable[[str, Vector], None],
        defaults: SearchConfig,
    ) -> None:
        """Join the parts of the read path.

        Args:
            model: the catalog's id of the model in use.
            remember: takes the vector of a text into the cache of the catalog, later.
            defaults: for what a query leaves open.
        """
        self._reader = reader
        self._model = model
        self._model_name = model_name
        self._index = index
        self._encoder = encoder
        self._pool = pool
        self._roots = roots
        self._remember = remember
        self._defaults = defaults

    def answer(self, query: Query) -> Answer:
        """Find the photos nearest to a query.

        Returns:
            at most as many hits as asked for, best first, a photo at most once.

        Raises:
            RequestError: a query picture cannot be read, or the terms cancel each other.
            EncodeError: the model cannot be run.
        """
        began = time.perf_counter()
        limit = self._defaults.limit if query.limit is None else query.limit
        least = self._defaults.min_score if query.min_score is None else query.min_score
        ids, scores = self._index.search(self._vector(query.terms), limit)
        located = self._reader.locate([int(i) for i in ids])
        hits = tuple(
            self._hit(int(photo), float(score), located[int(photo)])
            for photo, score in zip(ids, scores, strict=True)
            if score >= least and int(photo) in located
        )
        took_ms = round(1000 * (time.perf_counter() - began), 3)
        return Answer(str(query), self._model_name, hits, took_ms, self._note())

    def _note(self) -> str:
        """Say what keeps the answer from being complete, such as a change of model under way."""
        counts = self._reader.counts(self._model)
        if not counts.without_vector:
            return ""
        return (
            f"{counts.without_vector} of {counts.photos} photos still wait for their vector of "
            f"{self._model_name} and cannot be found yet"
        )

    def _hit(self, photo: int, score: float, places: tuple[Located, ...]) -> Hit:
        """Make a hit of the places of a photo: those that can be opened now come first."""
        ordered = sorted(places, key=lambda place: self._is_offline(place.root))
        first, *others = ordered
        return Hit(
            photo=photo,
            path=first.path,
            score=score,
            offline=self._is_offline(first.root),
            also=tuple(place.path for place in others),
        )

    def _is_offline(self, root: int) -> bool:
        return self._roots.state(root).is_away

    def _vector(self, terms: tuple[Term, ...]) -> Vector:
        """Add up the terms by weight; a unit vector."""
        total = np.zeros(self._index.dim, np.float32)
        for term in terms:
            total += np.float32(term.weight) * self._term(term)
        norm = float(np.linalg.norm(total))
        if norm < _SMALLEST_NORM:
            raise RequestError(
                "terms_cancel", "the terms of the query cancel each other; change a weight"
            )
        return total / np.float32(norm)

    def _term(self, term: Term) -> Vector:
        if term.text is not None:
            return self._text(term.text)
        if term.picture is not None:
            return self._picture(term.picture)
        assert term.path is not None
        return self._file(term.path)

    def _text(self, text: str) -> Vector:
        # CLIP's tokenizer lower-cases and folds white space itself; doing so here
        # lets one row of the cache serve every spelling.
        key = " ".join(unicodedata.normalize("NFC", text).lower().split())
        vector = self._reader.text_vector(self._model, key)
        if vector is None:
            vector = self._encoder.encode_texts([key])[0]
            self._remember(key, vector)
        return vector

    def _file(self, path: bytes) -> Vector:
        photo = self._reader.photo_at(path)
        if photo is not None:
            vector = self._reader.vector(self._model, photo)
            if vector is not None:
                return vector
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


def _exists(path: bytes) -> bool:
    try:
        return answer_within(_DISK_SECONDS, lambda: os.path.lexists(path))
    except TimeoutError as error:
        raise RequestError(
            "disk_silent",
            f"the disk of {os.fsdecode(path)} does not answer; try again when it does",
            503,
        ) from error
