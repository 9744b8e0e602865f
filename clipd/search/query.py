"""What can be asked of clipd, and what it answers. Nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from clipd.pathtext import shown
from clipd.photo import Hit
from clipd.search.number_ranges import NumberRange
from clipd.store.conditions import Condition

MAX_TEXT_CHARACTERS = 1000
MAX_TERMS = 32
MAX_LIMIT = 10_000
MAX_WEIGHT = 100.0
THUMBNAIL_SIDES = (256, 1024)  # pixels of the longer side

Sort: TypeAlias = Literal["score", "date", "-date", "name", "size", "random"]
Unique: TypeAlias = Literal["copy", "burst", "look", "off"]
Sameness: TypeAlias = Literal["copy", "burst", "look"]


@dataclass(frozen=True, slots=True)
class Term:
    """One part of a query: exactly one of text, path, picture and photo is set."""

    weight: float = 1.0  # negative: less of this
    text: str | None = None
    path: bytes | None = None  # absolute, of a photo
    picture: bytes | None = field(default=None, repr=False)  # the bytes of a picture file
    photo: int | None = None

    def __str__(self) -> str:
        """Return the term as a person would write it, without its weight."""
        if self.text is not None:
            return self.text
        if self.photo is not None:
            return f"photo {self.photo}"
        return shown(self.path) if self.path is not None else "(a picture)"


@dataclass(frozen=True, slots=True)
class Query:
    """A search: weighted terms among the photos that meet all conditions.

    Attributes:
        limit: at most so many hits; None: as the configuration says.
        min_score: only hits of at least this cosine; None: as the configuration says.
        sort: None: by score where there are terms, else the newest first.
        confidence, cosine: only hits within this.
        without: texts; what is confidently one of these is no hit.
        after: the ``following`` of the page before; "" for the first page.
        anyway: also hits below the bar of the model.
        explain: count what passes each condition by itself.
        members: hits that stand for others tell these, too.
        typing: it is still being written; its words are not worth remembering.
        text: as a person wrote it; "" when it came in parts.
    """

    terms: tuple[Term, ...]
    limit: int | None = None
    min_score: float | None = None
    conditions: tuple[Condition, ...] = ()
    sort: Sort | None = None
    unique: Unique = "copy"
    confidence: NumberRange | None = None
    cosine: NumberRange | None = None
    without: tuple[str, ...] = ()
    after: str = ""
    anyway: bool = False
    explain: bool = False
    members: bool = False
    typing: bool = False
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        """Return the query in one line: ``sunset + 0.5 beach - people``."""
        if self.text:
            return self.text
        line = ""
        for term in self.terms:
            sign = "- " if term.weight < 0 else "+ "
            factor = "" if abs(term.weight) == 1 else f"{abs(term.weight):g} "
            shown_sign = sign if line or term.weight < 0 else ""
            line += (" " if line else "") + shown_sign + factor + str(term)
        return line


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits of a query, best first.

    Attributes:
        note: what a person should know, such as that photos still wait for their vectors.
        reading: how the query was read.
        tips: how it could be written better.
        nothing: why there is no hit, as a sentence; "" where there is one.
        left_out: there is no hit because photos hardly look like the words; ``anyway`` shows them.
        following: asks for the next page; "" on the last.
        matching: photos that meet the conditions.
        fingerprint: of the model: cosines of one fingerprint can be compared.
        order: what the hits are ordered by, as ``sort:`` has it.
    """

    query: str
    model: str
    hits: tuple[Hit, ...]
    took_ms: float
    note: str = ""
    reading: str = ""
    tips: tuple[str, ...] = ()
    nothing: str = ""
    left_out: bool = False
    following: str = ""
    matching: int = 0
    fingerprint: str = ""
    order: str = "score"


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Photos that are the same in a way; a copy is one photo with several paths.

    Attributes:
        best: the photo that stands for all.
    """

    best: int
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class DuplicateAnswer:
    """The largest groups of the library, and how many there are in all."""

    sameness: Sameness
    total: int
    groups: tuple[DuplicateGroup, ...]
    took_ms: float
