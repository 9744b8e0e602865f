"""THE READ PATH: query -> vector, conditions -> index, catalog -> hits. Any thread; no writes."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace

from clipd.config.options import SearchConfig
from clipd.photo import Hit, Ids
from clipd.places import country_name
from clipd.search.calibrator import Calibrator
from clipd.search.completion import Completer, Completion
from clipd.search.duplicates import Duplicates, SameGroup
from clipd.search.explanation import explain, nothing_found
from clipd.search.judge import Judge
from clipd.search.known_words import Understanding, understand
from clipd.search.query import Answer, DuplicateAnswer, DuplicateGroup, Query, Sameness
from clipd.search.query_keys import Surroundings
from clipd.search.query_vectors import Aims, QueryVectors
from clipd.search.ranking import Page, Ranked, Ranking, order_of
from clipd.search.tips import tips_for
from clipd.store.conditions import Whereabouts, needs_headers
from clipd.store.rows import Counts, Located
from clipd.store.selection import Facts, PhotoSelection
from clipd.store.view import StoreView
from clipd.watch.roots import Roots

_log = logging.getLogger(__name__)
_LEARN_SECONDS = 2.0  # for what scores mean, which takes .3 s with the model in the box


class Search:
    """Answers queries from the index and the catalog.

    ``defaults``, for what a query leaves open, may be replaced at any time.
    """

    def __init__(
        self,
        stored: StoreView,
        vectors: QueryVectors,
        roots: Roots,
        defaults: SearchConfig,
        calibrator: Calibrator,
    ) -> None:
        self._stored = stored
        self._vectors = vectors
        self._roots = roots
        self._calibrator = calibrator
        self._selection = PhotoSelection(stored.reader.connections)
        self._ranking = Ranking(stored.follower.index, self._selection)
        self._completer = Completer(self._selection)
        self._all_read_of = 0  # as many photos there were when all had been asked for their headers
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
            return self._answer(query, Aims(None, None), began, understood)
        aims = self._vectors.known(query)
        if aims is None:
            return None
        if (query.terms or query.without) and self._calibrator.has_texts():
            self._learn_scores()
        return self._answer(query, aims, began, understood)

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
        if known is not None:
            return known
        aims = self._vectors.made(query)
        self._learn_scores()  # now that the model is awake
        return self._answer(query, aims, began, understand(query, self._stored.spec.name))

    def _learn_scores(self) -> None:
        self._calibrator.wake_and_wait(len(self._stored.follower.index), _LEARN_SECONDS)

    def complete(self, text: str, at: int, around: Surroundings) -> Completion:
        """Return what the word of a query that ends at a character may become."""
        return self._completer.complete(text, at, around)

    def duplicates(self, sameness: Sameness, limit: int) -> DuplicateAnswer:
        """Find photos of the whole library that are the same in a way, the largest groups first.

        Raises:
            RequestError: there are too many photos to compare each with each.
        """
        began = time.perf_counter()
        found = Duplicates(self._stored.follower.index, self._selection).find(sameness)
        there = self._roots.whereabouts(self._selection.aside_volumes())
        groups = tuple(self._group(group, there) for group in found[:limit])
        took_ms = round(1000 * (time.perf_counter() - began), 3)
        return DuplicateAnswer(sameness, len(found), groups, took_ms)

    def _group(self, group: SameGroup, there: Whereabouts) -> DuplicateGroup:
        rows = tuple(Ranked(photo, 0) for photo in group.photos)
        hits = self._hits(Query(()), Page(rows), there)
        return DuplicateGroup(group.best, tuple(replace(hit, key=None) for hit in hits))

    def _answer(self, query: Query, aims: Aims, began: float, understood: Understanding) -> Answer:
        there = self._roots.whereabouts(self._selection.aside_volumes())
        within = self._selection.ids(query.conditions, there) if query.conditions else None
        judge = self._judge(query, aims)
        page = Page(())
        if not understood.is_nothing:
            page = self._page(judge, within, there)
        counts = self._stored.reader.counts(self._stored.model)
        matching = counts.photos if within is None else len(within)
        nothing, left_out = "", False
        if not page.rows and not query.after:
            nothing, left_out = nothing_found(query, matching, has_bar=judge.has_bar)
            if understood.is_nothing:
                nothing, left_out = understood.note, False
        took_ms = round(1000 * (time.perf_counter() - began), 3)
        _log.debug("%d hits in %.1f ms", len(page.rows), took_ms)  # never the words of the query
        return Answer(
            query=str(query),
            model=self._stored.spec.name,
            hits=self._hits(query, page, there),
            took_ms=took_ms,
            note=self._note(query, understood, counts),
            reading=explain(query, self._counted(query, there), counts.photos),
            tips=tips_for(query, self._completer.places()),
            nothing=nothing,
            left_out=left_out,
            following=page.following,
            matching=matching,
            fingerprint=self._stored.spec.fingerprint,
            order=order_of(query, has_words=aims.whole is not None),
        )

    def _judge(self, query: Query, aims: Aims) -> Judge:
        least = self.defaults.min_score if query.min_score is None else query.min_score
        index = self._stored.follower.index
        return Judge(query, aims, index, self._calibrator.known, least)

    def _page(self, judge: Judge, within: Ids | None, there: Whereabouts) -> Page:
        query, aims = judge.query, judge.aims
        limit = self.defaults.limit if query.limit is None else query.limit
        if aims.whole is None:
            is_judged = bool(aims.without)
            return self._ranking.listed(judge if is_judged else None, query, there, limit)
        asked = self._vectors.asked_photo(query)
        return self._ranking.matched(judge, aims.whole, within, limit, asked)

    def _counted(self, query: Query, there: Whereabouts) -> list[int] | None:
        if not query.explain:
            return None
        return [self._selection.count([each], there) for each in query.conditions]

    def _note(self, query: Query, understood: Understanding, counts: Counts) -> str:
        """Say what keeps the answer from being complete, such as a change of model under way."""
        waiting = (
            f"{counts.without_vector} of {counts.photos} photos still wait for their vector of "
            f"{self._stored.spec.name} and cannot be found yet"
        )
        notes = (
            understood.note,
            waiting if counts.without_vector else "",
            self._unread_note(query, counts),
        )
        return "; ".join(note for note in notes if note)

    def _unread_note(self, query: Query, counts: Counts) -> str:
        asked = [each.label for each in query.conditions if needs_headers(each)]
        # To count takes .1 s at a million photos; once none was left, only new photos matter.
        if not asked or counts.photos == self._all_read_of:
            return ""
        unread = self._selection.count_unread()
        if not unread:
            self._all_read_of = counts.photos
            return ""
        return (
            f"{unread:,} of {counts.photos:,} photos have not been asked for what they say of "
            f'themselves yet: whether they meet "{" · ".join(asked)}" is not known'
        )

    def _hits(self, query: Query, page: Page, there: Whereabouts) -> tuple[Hit, ...]:
        """Make hits of a page; photos whose last path has just gone are left out."""
        photos = [row.photo for row in page.rows]
        if query.members:
            photos += [other.photo for row in page.rows for other in row.others]
        located = self._stored.reader.locate(photos)
        facts = self._selection.facts(photos)
        passing = None
        if query.conditions:
            passing = self._selection.paths(query.conditions, there, photos)

        def made(row: Ranked) -> Iterator[Hit]:
            places = self._ordered(located.get(row.photo, ()), passing)
            for each in _apart(query, places, passing):
                yield self._hit(row, each, facts)

        def members(row: Ranked) -> tuple[Hit, ...]:
            others = row.others if query.members else ()
            return tuple(hit for other in others for hit in made(other))

        return tuple(replace(hit, members=members(row)) for row in page.rows for hit in made(row))

    def _ordered(
        self, places: tuple[Located, ...], passing: frozenset[bytes] | None
    ) -> tuple[Located, ...]:
        """Order the places of a photo: those that were asked for come first.

        Of these, first those that can be opened now.
        """
        ordered = sorted(places, key=self._is_offline)
        if passing is not None:
            ordered.sort(key=lambda place: place.path not in passing)
        return tuple(ordered)

    def _hit(self, row: Ranked, places: tuple[Located, ...], facts: Mapping[int, Facts]) -> Hit:
        first, *others = places
        known = facts.get(row.photo, Facts())
        return Hit(
            photo=row.photo,
            path=first.path,
            score=row.score,
            offline=self._is_offline(first),
            also=tuple(place.path for place in others),
            raw=row.raw,
            taken=known.taken,
            taken_from=known.taken_from,
            place=_place_of(known),
            tags=known.tags,
            stands_for=row.stands_for,
            key=row.key,
            content_hash=known.content_hash,
        )

    def _is_offline(self, place: Located) -> bool:
        return place.is_aside or self._roots.is_offline(place.path, place.root, place.device)


def _place_of(known: Facts) -> str:
    country = country_name(known.country) if known.country else ""
    return ", ".join(name for name in (known.city, country) if name)


def _apart(
    query: Query, places: tuple[Located, ...], passing: frozenset[bytes] | None
) -> list[tuple[Located, ...]]:
    """Return the places that make a hit together: all, or with ``unique:off`` each by itself."""
    if not places:
        return []  # the last path has just gone
    if query.unique != "off":
        return [places]
    return [(place,) for place in places if passing is None or place.path in passing]
