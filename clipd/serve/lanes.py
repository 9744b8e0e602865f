"""Threads for requests, in lanes: what takes long is never in the way of what does not."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from clipd.errors import RequestError

T = TypeVar("T")
_CLOSE_SECONDS = 2.0
QUICK_THREADS = 4
SEARCH_THREADS = 4  # more would not help: the index has one lock
MODEL_THREADS = 8  # one decodes its picture while another waits for the encoder
THUMBNAIL_THREADS = 2  # one reads what is kept while the other waits for the decoder
THUMBNAIL_WAITERS = 300
# With 64 connections (serve.max_connections) half are left for all other requests.
MODEL_WAITERS = 32


class Lane:
    """A few threads, and a bound on how many requests may be in them or wait for them.

    ``run`` is for the server's loop, ``close`` for the thread that made the lane.
    """

    def __init__(self, name: str, threads: int, most: int, busy: str) -> None:
        """Make a lane; its threads start when they are first needed.

        Args:
            most: requests under way at once; more are refused.
            busy: the sentence that they are refused with.
        """
        self._threads = ThreadPoolExecutor(threads, f"clipd-{name}")
        self._most = most
        self._busy = busy
        self._under_way: set[Future[Any]] = set()

    async def run(self, work: Callable[[], T]) -> T:
        """Do the work on a thread of the lane.

        Raises:
            RequestError: too many are under way already (503).
        """
        if len(self._under_way) >= self._most:
            raise RequestError("busy", self._busy, 503)
        future = self._threads.submit(work)
        self._under_way.add(future)
        # Not when the request ends: a server that stops gives up on requests, while their
        # threads go on.
        future.add_done_callback(self._under_way.discard)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Drop what waits; let what is under way end, but not for ever.

        A thread in a system call that never returns, as on a dead network mount, is left alone.
        """
        self._threads.shutdown(wait=False, cancel_futures=True)
        left = concurrent.futures.wait(self._under_way, _CLOSE_SECONDS).not_done
        if not left:
            self._threads.shutdown(wait=True)


@dataclass(frozen=True, slots=True)
class Lanes:
    """One lane for each kind of request."""

    quick: Lane  # the state, lists, orders: a few milliseconds
    searches: Lane  # queries whose vector is known: as long as the index takes
    slow: Lane  # orders that take seconds, such as to forget a model
    thumbnails: Lane  # pictures for people, from decoders of their own
    model: Lane  # queries that wait for a decoder or the encoder: seconds when it is cold


@contextmanager
def request_lanes() -> Iterator[Lanes]:
    """Make the lanes, and end their threads after the block.

    The block has to end what the threads may wait for: the encoder, the decoders, the indexer.
    """
    with ExitStack() as closing:

        def lane(name: str, threads: int, most: int, busy: str) -> Lane:
            made = Lane(name, threads, most, busy)
            closing.callback(made.close)
            return made

        yield Lanes(
            quick=lane(
                "quick", QUICK_THREADS, 1000, "too many requests at once; try again in a moment"
            ),
            searches=lane(
                "search", SEARCH_THREADS, 1000, "too many searches at once; try again in a moment"
            ),
            slow=lane("slow", 1, 2, "such an order is being carried out; try again after it"),
            thumbnails=lane(
                "thumbnail",
                THUMBNAIL_THREADS,
                THUMBNAIL_WAITERS,
                f"{THUMBNAIL_WAITERS} thumbnails are asked for already; try again in a moment",
            ),
            model=lane(
                "model",
                MODEL_THREADS,
                MODEL_WAITERS,
                f"{MODEL_WAITERS} searches wait for the model already; try again in a moment",
            ),
        )
