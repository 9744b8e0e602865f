"""CLIP's tokenizer without torch: byte-pair encoding over the table that open_clip ships."""

from __future__ import annotations

import gzip
import html
import importlib.util
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from clipd.errors import ModelError

TokenIds: TypeAlias = NDArray[np.int64]  # (n, context), rows padded with 0

START, END = "<start_of_text>", "<end_of_text>"
_TABLE = "bpe_simple_vocab_16e6.txt.gz"
_MERGES = 49152 - 256 - 2  # the table lists more than CLIP was trained with
_WORD_END = "</w>"
_SUFFIXES = "'s|'t|'re|'ve|'m|'ll|'d"
# Printable ASCII without `&`: nothing in it for ftfy to mend or for html to unescape.
_PLAIN = re.compile(r"[ -%'-~]*")
_PLAIN_WORDS = re.compile(rf"{START}|{END}|{_SUFFIXES}|[a-z]+|[0-9]|[^\sa-z0-9]+")


class Tokenizer:
    """Texts to rows of token ids, as open_clip's `SimpleTokenizer` makes them."""

    def __init__(self, context: int) -> None:
        """Read the table of merges.

        Args:
            context: how many tokens a row has; what is over it is cut off.

        Raises:
            ModelError: the installed open_clip has no such table.
        """
        self._context = context
        self._letters = _letters()
        merges = _merges()
        self._rank = dict(zip(merges, range(len(merges)), strict=True))  # by "left right"
        letters = sorted(self._letters)  # CLIP numbers them so, not in the order of the bytes
        vocabulary = [*letters, *(letter + _WORD_END for letter in letters)]
        vocabulary += [merge.replace(" ", "") for merge in merges]
        vocabulary += [START, END]
        self._id = dict(zip(vocabulary, range(len(vocabulary)), strict=True))

    def __call__(self, texts: Sequence[str]) -> TokenIds:
        """Return the ids of texts: start, tokens, end, then zeros."""
        rows = np.zeros((len(texts), self._context), np.int64)
        start, end = self._id[START], self._id[END]
        for row, text in zip(rows, texts, strict=True):
            ids = [start, *self._ids(text), end]
            if len(ids) > self._context:
                ids = [*ids[: self._context - 1], end]
            row[: len(ids)] = ids
        return rows

    def _ids(self, text: str) -> Iterator[int]:
        for word in _words(text):
            if word in (START, END):  # open_clip reads them so wherever they stand
                yield self._id[word]
                continue
            for piece in self._pieces(word):
                yield self._id[piece]

    def _pieces(self, word: str) -> list[str]:
        """Split a word into pieces of the vocabulary: merge the pair that was learnt first."""
        pieces = [self._letters[byte] for byte in word.encode()]
        pieces[-1] += _WORD_END
        while len(pieces) > 1:
            pairs = [f"{left} {right}" for left, right in pairwise(pieces)]
            first = min(pairs, key=lambda pair: self._rank.get(pair, _MERGES))
            if first not in self._rank:
                break
            pieces = _merged(pieces, pairs, first)
        return pieces


def _merged(pieces: list[str], pairs: list[str], wanted: str) -> list[str]:
    """Join every two pieces that are the wanted pair, from the left."""
    joined, place = [], 0
    while place < len(pieces):
        is_pair = place < len(pairs) and pairs[place] == wanted
        joined.append(wanted.replace(" ", "") if is_pair else pieces[place])
        place += 2 if is_pair else 1
    return joined


def _words(text: str) -> list[str]:
    """Clean a text as CLIP's training did, and split it into words, digits and marks."""
    if _PLAIN.fullmatch(text):
        return _PLAIN_WORDS.findall(" ".join(text.split()).lower())
    # Imported only here: they take a tenth of a second, and most queries are plain.
    import ftfy
    import regex

    mended = html.unescape(html.unescape(ftfy.fix_text(text)))
    pattern = rf"{START}|{END}|{_SUFFIXES}|[\p{{L}}]+|[\p{{N}}]|[^\s\p{{L}}\p{{N}}]+"
    words = regex.findall(pattern, " ".join(mended.split()).lower(), regex.IGNORECASE)
    return cast(list[str], words)


def _letters() -> list[str]:
    """Return the character that stands for each byte: itself where it can be seen."""
    letters, unseen = [], 0
    for byte in range(256):
        letters.append(chr(byte) if _is_seen(byte) else chr(256 + unseen))
        unseen += not _is_seen(byte)
    return letters


def _is_seen(byte: int) -> bool:
    return ord("!") <= byte <= ord("~") or (byte >= 0xA1 and byte != 0xAD)


def _merges() -> list[str]:
    package = importlib.util.find_spec("open_clip")  # found, not imported: that takes seconds
    folders = package.submodule_search_locations if package else None
    file = Path(next(iter(folders or ["open_clip"]))) / _TABLE
    try:
        table = gzip.decompress(file.read_bytes()).decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ModelError(f"cannot read the tokenizer's table {file}: {error}") from error
    return table.split("\n")[1 : 1 + _MERGES]
