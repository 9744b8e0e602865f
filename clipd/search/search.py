"""THE READ PATH: query -> vector -> index -> catalog -> hits. Any thread; writes nothing."""

from __future__ import annotations

import logging
import time

from clipd.config.options import SearchConfig
from clipd.photo import Hit
from clipd.search.known_words import Understanding, understand
from clipd.search.query import Answer, Query
from clipd.search.query_vectors import QueryVectors, Vector
from clipd.store.rows import Located
from clipd.store.view import StoreView
from clipd.watch.roots import Roots

_log = logging.getLogger(__name__)


class Search:
    """Answers queries from the index and the catalog.

    ``defaults``, for what a query leaves open, may be replaced at any time.
    """

    def __init__(
        self, stored: StoreView, vectors: QueryVectors, roots: Roots, defaults: SearchConfig
    ) -> None:
        self._stored = stored
        self._vectors = vectors
        self._roots = roots
        self.defaults = defaults

    def answer_known(self, query: Query) -> Answer | None:
        """Answer a query that takes no child: its vector is known, or its words say nothing.

        Returns:
            None where it takes a child.

        Raises:
            RequestError: the terms cancel each other.
        """
        began = time.perf_counter()
        understood = understand(query, self._stored.spec.name)
        if understood.is_nothing:
            return self._found(query, (), began, understood)
        vector = self._vectors.known(query.terms)
        return None if vector is None else self._answer(query, vector, began)

    def answer(self, query: Query) -> Answer:
        """Find the photos nearest to a query; wait for the model where it takes one.

        Returns:
            at most as many hits as asked for, best first, a photo at most once.

        Raises:
            RequestError: a query picture cannot be read, or the terms cancel each other.
            EncodeError: the model cannot be run.
        """
        began = time.perf_counter()
        known = self.answer_known(query)
        return known or self._answer(query, self._vectors.made(query.terms), began)

    def _answer(self, query: Query, vector: Vector, began: float) -> Answer:
        defaults = self.defaults
        limit = defaults.limit if query.limit is None else query.limit
        least = defaults.min_score if query.min_score is None else query.min_score
        ids, scores = self._stored.follower.index.search(vector, limit)
        located = self._stored.reader.locate([int(i) for i in ids])
        hits = tuple(
            self._hit(int(photo), float(score), located[int(photo)])
            for photo, score in zip(ids, scores, strict=True)
            if score >= least and int(photo) in located
        )
        return self._found(query, hits, began, understand(query, self._stored.spec.name))

    def _found(
        self, query: Query, hits: tuple[Hit, ...], began: float, understood: Understanding
    ) -> Answer:
        took_ms = round(1000 * (time.perf_counter() - began), 3)
        _log.debug("%d hits in %.1f ms", len(hits), took_ms)  # never the words of the query
        return Answer(str(query), self._stored.spec.name, hits, took_ms, self._note(understood))

    def _note(self, understood: Understanding) -> str:
        """Say what keeps the answer from being complete, such as a change of model under way."""
        counts = self._stored.reader.counts(self._stored.model)
        waiting = (
            f"{counts.without_vector} of {counts.photos} photos still wait for their vector of "
            f"{self._stored.spec.name} and cannot be found yet"
        )
        notes = (understood.note, waiting if counts.without_vector else "")
        return "; ".join(note for note in notes if note)

    def _hit(self, photo: int, score: float, places: tuple[Located, ...]) -> Hit:
        """Make a hit of the places of a photo: those that can be opened now come first."""
        ordered = sorted(places, key=self._is_offline)
        first, *others = ordered
        return Hit(
            photo=photo,
            path=first.path,
            score=score,
            offline=self._is_offline(first),
            also=tuple(place.path for place in others),
        )

    def _is_offline(self, place: Located) -> bool:
        return place.is_aside or self._roots.is_offline(place.path, place.root, place.device)
