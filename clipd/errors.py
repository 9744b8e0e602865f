"""Every error that clipd raises on purpose.

    ClipdError
    +-- ConfigError          the configuration cannot be used
    +-- AlreadyRunningError  another clipd holds this state folder
    +-- SetupError           `clipd setup` could not finish
    +-- StoreError           the catalog or the index cannot be used
    |   +-- CatalogNewerError    written by a newer clipd
    |   +-- StoreUnavailableError  cannot be used just now: try again later
    |   |   +-- CatalogCorruptError  damaged; is set aside and rebuilt
    |   |   +-- StorageFullError     no room, or the disk gave an error
    |   |   +-- CatalogLockedError   another program holds the catalog
    |   |   +-- IndexAwayError       the engine that keeps the index cannot be asked
    |   +-- SnapshotError        a saved index that is not to be trusted
    +-- VectorFileError      a file of vectors that cannot be written, read or taken in
    +-- BulkError            a bulk run that cannot start, or go on
    +-- WatchError           a folder cannot be watched or read
    |   +-- RootStalledError     the disk of a root does not answer
    +-- ModelError           the model is unknown, absent or cannot be loaded
    |   +-- WrongModelError      there is no such model, or its weights do not fit
    |   +-- ModelMissingError    its weights are not on this machine
    |   +-- FetchError           its weights could not be fetched
    |       +-- HubError             the hub cannot be reached, or does not have them
    +-- EncodeError          the encoder failed on work that it should do
    |   +-- EncoderClosedError   it was ended, because clipd stops
    |   +-- EncoderDiedError     its process died of a piece of work, or hung over it
    |   +-- EncoderAwayError     it is on another machine, which does not answer
    |       +-- EncoderRefusedError  which answers, but cannot do this clipd's work
    +-- PictureError         a file that cannot be made into pixels, with its kind
    +-- ShortageError        no descriptor, thread or memory is left for the moment
    +-- ChildError           a child process died, hung or spoke nonsense
    +-- StoppingError        asked of a daemon that is ending
    +-- CheckStoppedError    a check was ended before it was done
    +-- RequestError         a request that cannot be answered, with its code
    |   +-- QueryError           a query that cannot be read, with the place in its text
    +-- NotRunningError      a client finds no daemon at the socket
    +-- SceneError           the painter of the embedded model knows no such scene

The text of each is fit for a user: what happened, to what, and what to do.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a decoder imports this module, and must not pay for numpy
    from clipd.photo import FailureKind


class ClipdError(Exception):
    """Root of the errors that clipd raises on purpose."""


class ConfigError(ClipdError):
    """The configuration cannot be used."""


class AlreadyRunningError(ClipdError):
    """Another clipd holds this state folder."""


class SetupError(ClipdError):
    """``clipd setup`` could not finish."""


class StoreError(ClipdError):
    """The catalog or the index cannot be used."""


class CatalogNewerError(StoreError):
    """The catalog was written by a newer clipd."""


class StoreUnavailableError(StoreError):
    """The catalog or a file beside it cannot be used just now.

    Whoever meets this says so in the status, and tries again later.
    """


class CatalogCorruptError(StoreUnavailableError):
    """The catalog is damaged; it is opened anew soon, and then set aside and rebuilt."""


class StorageFullError(StoreUnavailableError):
    """There is no room, or the disk gave an error."""


class CatalogLockedError(StoreUnavailableError):
    """Another program holds the catalog."""


class IndexAwayError(StoreUnavailableError):
    """The engine that keeps the index does not answer, or not as it should.

    The catalog is not concerned: photos are taken in, and the index catches up.
    """


class SnapshotError(StoreError):
    """A saved index that is not to be trusted."""


class VectorFileError(ClipdError):
    """A file of vectors cannot be written, read or taken in."""


class BulkError(ClipdError):
    """A bulk run cannot start, or cannot go on; what it has written stays."""


class WatchError(ClipdError):
    """A folder cannot be watched or read."""


class RootStalledError(WatchError):
    """The disk of a root does not answer; what was asked of it is to be asked again later."""


class ModelError(ClipdError):
    """The model is unknown or cannot be loaded."""


class WrongModelError(ModelError):
    """What is said of the model cannot be: there is none of that name, or its weights do not fit.

    To try again will not help, as with a ``ConfigError``.
    """


class ModelMissingError(ModelError):
    """The weights of the model are not on this machine."""


class FetchError(ModelError):
    """The weights of the model could not be fetched."""


class HubError(FetchError):
    """The hub could not be reached, or does not have the weights: no network is the usual cause.

    Args:
        reason: what happened, for those who know a way out of their own.
        ways_out: what to do.
    """

    def __init__(self, reason: str, ways_out: str) -> None:
        super().__init__(f"{reason}: {ways_out}")
        self.reason = reason


class EncodeError(ClipdError):
    """The encoder failed on work that it should be able to do."""


class EncoderClosedError(EncodeError):
    """The encoder was ended, because clipd stops or reads its configuration again."""

    def __init__(self) -> None:
        super().__init__("the encoder is closed: clipd is stopping")


class EncoderDiedError(EncodeError):
    """The process of the encoder died of a piece of work, or hung over it.

    Args:
        kind: how, as one of `clipd.photo.FailureKind`.
        reason: one sentence.
    """

    def __init__(self, kind: FailureKind, reason: str) -> None:
        super().__init__(reason)
        self.kind: FailureKind = kind


class EncoderAwayError(EncodeError):
    """The encoder is on another machine, and cannot be reached: no picture is to blame."""


class EncoderRefusedError(EncoderAwayError):
    """The encoder on another machine answers, but has another clipd, or not this model."""


class PictureError(ClipdError):
    """A file that cannot be made into pixels.

    Args:
        kind: which of `clipd.photo.FailureKind`.
        reason: one sentence without the path.
    """

    def __init__(self, kind: FailureKind, reason: str) -> None:
        super().__init__(reason)
        self.kind: FailureKind = kind


class ShortageError(ClipdError):
    """This process or the machine has no descriptor, thread or memory left for the moment."""


class ChildError(ClipdError):
    """A child process died, hung, or sent what it should not."""


class StoppingError(ClipdError):
    """What was asked for will not be done, because clipd stops or reads its configuration again."""

    def __init__(self) -> None:
        super().__init__(
            "clipd is stopping, perhaps for a moment only, to start anew; ask again: clipctl status"
        )


class CheckStoppedError(ClipdError):
    """A check was ended before it was done."""

    def __init__(self) -> None:
        super().__init__("the check was ended before it was done; start it again: clipctl verify")


class RequestError(ClipdError):
    """A request that cannot be answered.

    Args:
        code: a stable word for programs, such as ``query_too_long``.
        message: one sentence for people.
        status: the HTTP status to answer with.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class QueryError(RequestError):
    """A query that cannot be read.

    Args:
        message: one sentence: what is wrong, and what would be right.
        span: the characters of the query that are meant: the first, and the one behind the last.
    """

    def __init__(self, message: str, span: tuple[int, int]) -> None:
        super().__init__("query", message)
        self.span = span


class NotRunningError(ClipdError):
    """A client finds no daemon at the socket.

    Args:
        reason: what happened, for those who ask several daemons.
        advice: what to do.
    """

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(f"{reason}; {advice}" if advice else reason)
        self.reason = reason


class SceneError(ClipdError):
    """The painter of the embedded model knows no such scene."""


def code_of(error: ClipdError) -> str:
    """Return the word for programs: ``ModelMissingError`` is ``model_missing``."""
    if isinstance(error, RequestError):
        return error.code
    name = type(error).__name__.removesuffix("Error")
    return re.sub(r"(?<=.)([A-Z])", r"_\1", name).lower()
