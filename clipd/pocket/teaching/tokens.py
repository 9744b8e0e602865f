"""The tokens that known words use, numbered from 1; every other token is 0.

Training a table of 49,408 rows for a few thousand tokens would spend most of a step on zeros, and
the shipped table would not fit in the package.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from clipd.pocket import model

_PIECE = re.compile(r"[^\W_]+|[^\w\s]")


class Tokens:
    """Reads texts as rows of compact tokens; each word is cut up once and remembered."""

    def __init__(self, spoken: Iterable[str]) -> None:
        """Take every token that the words of some texts are made of."""
        self._tokenizer = model.tokenizer()
        self._context = self._tokenizer.context_length
        self._known: dict[str, list[int]] = {}
        words = {word for text in spoken for word in _PIECE.findall(text.lower())}
        pieces = {token for word in words for token in self._cut(word)}
        pieces |= {self._tokenizer.sot_token_id, self._tokenizer.eot_token_id}
        self.ids: NDArray[np.int64] = np.array(sorted(pieces), np.int64)
        self._place = {int(token): number + 1 for number, token in enumerate(self.ids)}

    def _cut(self, word: str) -> list[int]:
        if word not in self._known:
            self._known[word] = self._tokenizer.encode(word)
        return self._known[word]

    def read(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Give texts as rows of compact tokens, as long as the longest needs.

        Returns:
            (n, at most the context length); behind the end of a text are zeros.
        """
        start = self._place[self._tokenizer.sot_token_id]
        end = self._place[self._tokenizer.eot_token_id]
        rows = []
        for text in texts:
            pieces = [t for word in _PIECE.findall(text.lower()) for t in self._cut(word)]
            body = [self._place.get(t, 0) for t in pieces[: self._context - 2]]
            rows.append([start, *body, end])
        length = max(map(len, rows))
        return np.array([row + [0] * (length - len(row)) for row in rows], np.int64)
