"""What can be asked of clipd, and what it answers. Nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass, field

from clipd.pathtext import shown
from clipd.photo import Hit

MAX_TEXT_CHARACTERS = 1000
MAX_TERMS = 32
MAX_LIMIT = 10_000
MAX_WEIGHT = 100.0


@dataclass(frozen=True, slots=True)
class Term:
    """One part of a query: exactly one of text, path and picture is set."""

    weight: float = 1.0  # negative: less of this
    text: str | None = None
    path: bytes | None = None  # absolute, of a photo
    picture: bytes | None = field(default=None, repr=False)  # the bytes of a picture file

    def __str__(self) -> str:
        """Return the term as a person would write it, without its weight."""
        if self.text is not None:
            return self.text
        return shown(self.path) if self.path is not None else "(a picture)"


@dataclass(frozen=True, slots=True)
class Query:
    """A search: weighted terms, at most ``limit`` hits of at least ``min_score``."""

    terms: tuple[Term, ...]
    limit: int | None = None  # None: as the configuration says
    min_score: float | None = None

    def __str__(self) -> str:
        """Return the query in one line: ``sunset + 0.5 beach - people``."""
        line = ""
        for term in self.terms:
            sign = "- " if term.weight < 0 else "+ "
            factor = "" if abs(term.weight) == 1 else f"{abs(term.weight):g} "
            shown_sign = sign if line or term.weight < 0 else ""
            line += (" " if line else "") + shown_sign + factor + str(term)
        return line


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits of a query, best first."""

    query: str
    model: str
    hits: tuple[Hit, ...]
    took_ms: float
    note: str = ""  # what a person should know, such as that photos still wait for their vectors
