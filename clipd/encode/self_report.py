"""What an encoder last said of itself: what it computes with, and what seals it."""

from __future__ import annotations

import logging

from clipd.json_types import JsonObject
from clipd.process.channel import Message
from clipd.process.seals import Seals

log = logging.getLogger(__name__)

_MOST_SAID = 600  # characters of a sentence that comes from it
_MOST_NUMBER = 1e12


class SelfReport:
    """Empty until an encoder has spoken; the next one begins where the last has left off.

    Each answer replaces the one before as a whole, so that any thread may read it.
    """

    def __init__(self) -> None:
        """Know nothing yet."""
        self._about: JsonObject = {}
        self.seals: Seals | None = None  # what seals it; None before the first start
        self.is_proved = False  # it has encoded something

    def learn(self, answer: Message) -> None:
        """Note what it says in an answer."""
        self._about = answer.header
        self.is_proved |= "shape" in answer.header

    def learn_seals(self, answer: Message) -> None:
        """Note what seals it, from its first answer; log what it lacks, where that is news."""
        said = answer.header.get("seals")
        seals = Seals.from_json(said if isinstance(said, dict) else {})
        is_news, self.seals = seals != self.seals, seals
        if is_news and (warning := seals.warning("the encoder")):
            log.warning("%s", warning)

    def about(self, key: str) -> str:
        """Return one thing of the last answer; "" where it did not say."""
        return str(self._about.get(key, ""))[:_MOST_SAID]

    def measured(self) -> JsonObject:
        """Return what the choice of the precision rests on."""
        said = self._about.get("measured")
        tables = said.items() if isinstance(said, dict) else ()
        return {name: _figures(each) for name, each in tables if isinstance(each, dict)}


def _figures(table: JsonObject) -> JsonObject:
    """Return the numbers of a table, which go into JSON for other programs as they are."""
    return {
        name: value
        for name, value in table.items()
        if isinstance(value, int | float) and abs(value) < _MOST_NUMBER  # no NaN is
    }
