"""A Milvus behind a Unix socket: one connection, a deadline for every call, errors in words."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from clipd.errors import ConfigError, IndexAwayError
from clipd.store.milvus_errors import MilvusErrors
from clipd.store.milvus_lite import LiteServer, grpc_address

T = TypeVar("T")

_log = logging.getLogger(__name__)
_CONNECT_SECONDS = 0.5
_LATE_SECONDS = 1.0  # for which searches may go without an answer, before that counts as away
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 15.0
_LAST_CALL_SECONDS = 1.0
_STOPPING = "clipd is stopping"


def milvus_library() -> Any:
    """Import pymilvus, which takes half a second and 65 MiB.

    Raises:
        ConfigError: it is not installed.
    """
    # It looks for files named .env from its own folder upwards, and takes what is in them into
    # the environment; and gRPC, asked to, runs code of its own in every fork.
    os.environ.setdefault("PYTHON_DOTENV_DISABLED", "1")
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        with _without("pyarrow"):
            import pymilvus
    except ImportError as error:
        raise ConfigError(
            f'index.kind = "milvus" needs a library that is not there ({error}); '
            "run: pip install 'clipd[milvus]'"
        ) from error
    # What it would log of an engine that is away is raised as well.
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    return pymilvus


@contextmanager
def _without(library: str) -> Iterator[None]:
    """Have what is imported in the block do without an optional library that is not loaded yet.

    pymilvus brings pandas, and pandas brings pyarrow where it is there, which costs 33 MiB more.
    """
    is_loaded = library in sys.modules
    sys.modules.setdefault(library, None)  # type: ignore[arg-type]
    try:
        yield
    finally:
        if not is_loaded:
            del sys.modules[library]


class MilvusLink:
    """The way to one Milvus. Any thread may call; the indexer's connects."""

    def __init__(self, uri: str, token_file: Path | None = None) -> None:
        """Make a link; nothing is connected yet.

        Args:
            uri: ``unix:/path`` of a socket, or the folder of a Milvus Lite, which is then run.
            token_file: with what to show that we may.

        Raises:
            ConfigError: pymilvus is not installed.
        """
        self._library = milvus_library()
        self._token_file = token_file
        self._lite: LiteServer | None = None
        if uri.startswith("unix:"):
            socket = Path(uri.removeprefix("unix:").replace("//", "/"))
            self.name = f"Milvus at unix:{socket}"
        else:
            self._lite = LiteServer(Path(os.path.expanduser(uri)))
            socket = self._lite.socket
            self.name = f"Milvus Lite in {self._lite.folder}"
        self._address = grpc_address(socket)
        self._errors = MilvusErrors(
            self._library, self.name, socket, token_file, is_ours=self.is_lite
        )
        self._lock = threading.Lock()
        self._is_closing = False  # guarded by _lock
        self._calls = 0  # guarded by _lock; that are waiting for an answer
        self._no_calls = threading.Condition(self._lock)
        self._client: Any = None  # guarded by _lock; None while it is not connected
        self._is_up = False  # guarded by _lock
        self._reason = f"{self.name} is being opened"  # guarded by _lock
        self._late_since: float | None = None  # guarded by _lock; searches took too long since then
        self._shortage = ""  # guarded by _lock; why it cannot be written
        self._wait = _FIRST_WAIT_SECONDS  # guarded by _lock; before the next try, as _due says
        self._due = 0.0

    @property
    def library(self) -> Any:
        """The module pymilvus."""
        return self._library

    @property
    def is_lite(self) -> bool:
        """Whether a process of ours is the engine."""
        return self._lite is not None

    @property
    def is_closing(self) -> bool:
        """Whether clipd stops, and nothing more is asked of it."""
        return self._is_closing

    @property
    def is_up(self) -> bool:
        """Whether searches may be asked. Any thread."""
        with self._lock:
            return self._is_up

    @property
    def reason(self) -> str:
        """Why it is away, as a sentence; "" while it is not. Any thread."""
        with self._lock:
            return "" if self._is_up else self._reason

    @property
    def shortage(self) -> str:
        """Why it can be searched and not written, as a sentence, else "". Any thread."""
        with self._lock:
            return self._shortage if self._is_up else ""

    @property
    def is_due(self) -> bool:
        """Whether all is well, or it is time to try again."""
        return not self._is_closing and time.monotonic() >= self._due

    def connect(self, start_seconds: float = 0.0) -> None:
        """Connect, unless that is done. The indexer's thread.

        Args:
            start_seconds: how long a Milvus Lite may take to start before it counts as away.

        Raises:
            IndexAwayError: it is away; ``is_due`` tells when to try again.
        """
        with self._lock:
            if self._client is not None:
                return
        try:
            if self._lite is not None:
                self._lite.start(start_seconds)
            client = self._library.MilvusClient(
                uri=self._address, token=self._token(), timeout=_CONNECT_SECONDS, dedicated=True
            )
        except self._errors.kinds as error:
            raise self._away(self._errors.sentence(error)) from None
        except IndexAwayError as error:
            raise self._away(str(error)) from None
        # pymilvus would connect anew within a call that fails, under one lock for all calls: with
        # 20 searches at once the last one waited 5 s.
        client._get_connection()._on_rpc_error = _fail_at_once
        with self._lock:
            if self._client is None and not self._is_closing:
                self._client = client
                return
        client.close()  # what fills the collection of the next model was quicker

    def admit(self) -> None:
        """Let searches in: what they ask for is there. The indexer's thread."""
        with self._lock:
            self._is_up = self._client is not None

    def be_well(self) -> None:
        """Forget what was wrong: all that was to be written is. The indexer's thread."""
        with self._lock:
            self._wait, self._due, self._shortage = _FIRST_WAIT_SECONDS, 0.0, ""

    def ask(self, work: Callable[[Any], T]) -> T:
        """Do ``call``, but only while it is up. Any thread.

        Before, a search that finds no collection yet would cut the connection that makes one. And
        an answer may be late once: of a hundred searches beside Milvus building its graph, one is.
        """
        if reason := self.reason:
            raise IndexAwayError(reason)
        with self._calling() as client:
            try:
                found = work(client)
            except self._errors.kinds as error:
                sentence = self._errors.sentence(error)
                if self._may_be_late(error):
                    raise IndexAwayError(sentence) from None
                raise self._away(sentence, client) from None
        with self._lock:
            self._late_since = None
        return found

    def call(self, work: Callable[[Any], T]) -> T:
        """Have the client of pymilvus do something. The indexer's thread.

        Raises:
            IndexAwayError: it is away, or became so; or there is no room for what is written.
        """
        with self._calling() as client:
            try:
                return work(client)
            except self._errors.kinds as error:
                sentence = self._errors.sentence(error)
                if self._errors.lacks_room(error):
                    raise self._note_shortage(sentence) from None
                raise self._away(sentence, client) from None

    def refuse(self, sentence: str) -> IndexAwayError:
        """Return the error of an engine that answers, but not as it should; it counts as away."""
        return self._away(f"{self.name} cannot be used: {sentence}")

    def hurry(self) -> None:
        """Disconnect for good, as soon as those who ask have their answer, or do not get it."""
        with self._lock:
            self._is_closing = True
            self._no_calls.wait_for(lambda: not self._calls, _LAST_CALL_SECONDS)
        self._drop(_STOPPING)

    def close(self) -> None:
        """Disconnect, and end a Milvus Lite."""
        self.hurry()
        if self._lite is not None:
            self._lite.stop()

    @contextmanager
    def _calling(self) -> Iterator[Any]:
        with self._lock:
            client = self._client
            if client is None or self._is_closing:
                raise IndexAwayError(_STOPPING if self._is_closing else self._reason)
            self._calls += 1
        try:
            yield client
        finally:
            with self._lock:
                self._calls -= 1
                self._no_calls.notify_all()

    def _may_be_late(self, error: Exception) -> bool:
        """Tell whether it only took too long, and searches before did not."""
        now = time.monotonic()
        with self._lock:
            if not self._errors.is_late(error):
                return False
            if self._late_since is None:
                self._late_since = now
            return now - self._late_since < _LATE_SECONDS

    def _away(self, reason: str, client: Any = None) -> IndexAwayError:
        """Have it count as away, and return the error that says why.

        Args:
            client: which has failed. Another may have taken its place since then, or one that
                failed as well has told why.
        """
        with self._lock:
            if client is not None and client is not self._client:
                return IndexAwayError(self._reason if self._client is None else reason)
            self._wait_longer()
        self._drop(reason)
        return IndexAwayError(reason)

    def _note_shortage(self, sentence: str) -> IndexAwayError:
        with self._lock:
            self._wait_longer()
            self._shortage = self._reason = sentence
        return IndexAwayError(sentence)

    def _wait_longer(self) -> None:
        self._due = time.monotonic() + self._wait
        self._wait = min(2 * self._wait, _LONGEST_WAIT_SECONDS)

    def _drop(self, reason: str) -> None:
        with self._lock:
            client, self._client = self._client, None
            self._is_up = False
            self._late_since = None
            self._reason = reason
        if client is not None:
            client.close()

    def _token(self) -> str:
        if self._token_file is None:
            return ""
        try:
            return self._token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", "") or "it is not UTF-8"
            raise IndexAwayError(
                f"index.token_file {self._token_file} cannot be read: {reason}"
            ) from error


def _fail_at_once(error: Exception) -> bool:
    raise error
