"""Which candidates are hits of a query, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipd.photo import Ids
from clipd.search.calibration import Calibration, Cosines
from clipd.search.number_ranges import NumberRange
from clipd.search.query import Query
from clipd.search.query_vectors import Aims, Vector
from clipd.store.index_protocol import PhotoIndex

_SURELY = 0.5  # the confidence from which a photo is what `not:` names
_SURELY_COSINE = 0.25  # until the model's scores are understood


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Candidates that are hits, in the order in which they came.

    Attributes:
        raw: their cosines with the whole query.
        scores: confidence, 0 to 1; the cosine until the model's scores are understood.
    """

    ids: Ids
    raw: Cosines
    scores: Cosines


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges the candidates of one query. Any thread.

    Attributes:
        least: the smallest cosine that is a hit.
    """

    query: Query
    aims: Aims
    index: PhotoIndex
    calibration: Calibration | None
    least: float = -1.0

    @property
    def has_bar(self) -> bool:
        """Whether what is hardly asked for is left out: for words, once scores are understood."""
        return self._bar is not None

    @property
    def _bar(self) -> float | None:
        is_judged = not self.query.anyway and self.aims.wanted is not None and self._is_of_words
        return self.calibration.bar if is_judged and self.calibration is not None else None

    @property
    def floor(self) -> float:
        """The smallest cosine with the whole query that can still be a hit."""
        bounds = [self.least]
        if self.query.cosine is not None and self.query.cosine.low is not None:
            bounds.append(self.query.cosine.low)
        if self.aims.wanted is self.aims.whole and self._bar is not None:
            bounds.append(self._bar)
        return max(bounds)

    def judge(self, ids: Ids, raw: Cosines) -> Verdicts:
        """Return those of the candidates that are hits.

        Args:
            ids: of candidates.
            raw: their cosines with the whole query.
        """
        near = self._nearness(ids, raw)
        scores = self._confidence(near)
        kept = raw >= self.least
        if self.query.cosine is not None:
            kept &= _lie_within(self.query.cosine, raw)
        if self.query.confidence is not None:
            kept &= _lie_within(self.query.confidence, scores)
        if self._bar is not None:
            kept &= near >= self._bar
        kept[kept] = ~self.is_unwanted(ids[kept])
        return Verdicts(ids[kept], raw[kept], scores[kept])

    def is_unwanted(self, ids: Ids) -> NDArray[np.bool_]:
        """Tell which photos are confidently what the query names with ``not:``."""
        unwanted = np.zeros(len(ids), dtype=np.bool_)
        for vector in self.aims.without:
            cosines = self._cosines(ids, vector)
            if self.calibration is None:
                unwanted |= cosines >= _SURELY_COSINE
            else:
                unwanted |= self.calibration.words.confidence(cosines) >= _SURELY
        return unwanted

    @property
    def _is_of_words(self) -> bool:
        return all(term.text is not None for term in self.query.terms if term.weight > 0)

    def _nearness(self, ids: Ids, raw: Cosines) -> Cosines:
        """Return cosines with what is asked for: how far a photo is from the rest is not asked."""
        if self.aims.wanted is None or self.aims.wanted is self.aims.whole:
            return raw
        return self._cosines(ids, self.aims.wanted)

    def _confidence(self, cosines: Cosines) -> Cosines:
        if self.calibration is None or self.aims.wanted is None:
            return cosines
        if self._is_of_words:
            return self.calibration.words.confidence(cosines)
        # The picture itself is what was asked for, without a doubt.
        curve = self.calibration.pictures
        most = curve.confidence(np.ones(1, np.float32))[0]
        confidence: Cosines = np.minimum(curve.confidence(cosines) / most, np.float32(1))
        return confidence

    def _cosines(self, ids: Ids, vector: Vector) -> Cosines:
        """Return the cosines of photos with a vector; those that have just gone are far away."""
        here, rows = self.index.vectors(ids)
        cosines = np.full(len(ids), -1, dtype=np.float32)
        cosines[np.isin(ids, here)] = (rows @ vector).round(6)
        return cosines


def _lie_within(wanted: NumberRange, numbers: Cosines) -> NDArray[np.bool_]:
    return np.array([wanted.holds(each) for each in numbers.tolist()], np.bool_)
