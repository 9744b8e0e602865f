"""What errors of pymilvus and gRPC mean, in words fit for a user."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_MOST_SHOWN = 200  # characters of what Milvus says


class MilvusErrors:
    """The errors of one Milvus."""

    def __init__(
        self, library: Any, name: str, socket: Path, token_file: Path | None, is_ours: bool
    ) -> None:
        """Make it.

        Args:
            library: the module pymilvus.
            name: by which sentences call the Milvus.
            socket: whose path is not taken for what Milvus says.
            token_file: with what is shown to it, if anything is.
            is_ours: it is a child of clipd.
        """
        import grpc

        self._name = name
        self._socket = socket
        self._token_file = token_file
        self._advice = "it is started again" if is_ours else "is it running?"
        # A ValueError is how gRPC says that the channel was closed by another thread.
        self.kinds: tuple[type[Exception], ...] = (
            library.MilvusException,
            grpc.RpcError,
            grpc.FutureTimeoutError,
            ValueError,
        )

    def is_late(self, error: Exception) -> bool:
        """Tell whether there was no answer in time."""
        return _status_of(error) == "DEADLINE_EXCEEDED"

    def lacks_room(self, error: Exception) -> bool:
        """Tell whether Milvus could not write, for want of room."""
        said = self._words_of(error).lower()
        words = ("no space left", "disk quota", "quota exceeded")
        return _status_of(error) == "RESOURCE_EXHAUSTED" or any(each in said for each in words)

    def sentence(self, error: Exception) -> str:
        """Say what happened, and what to do."""
        name, status, said = self._name, _status_of(error), self._words_of(error)
        lower = said.lower()
        if status in ("UNAUTHENTICATED", "PERMISSION_DENIED") or "auth check" in lower:
            if self._token_file is None:
                return f"{name} wants a token: name a file with it as index.token_file"
            return f"{name} refuses the token in {self._token_file}: write user:password there"
        if self.lacks_room(error):
            return f"{name} has no room to write; make some there ({said[:_MOST_SHOWN]})"
        if status == "UNAVAILABLE" or isinstance(error, ValueError):
            return f"{name} does not answer; {self._advice}"
        if self.is_late(error) or "deadline" in lower or "timeout" in lower:
            return f"{name} does not answer in time"
        return f"{name} failed: {said[:_MOST_SHOWN]}"

    def _words_of(self, error: Exception) -> str:
        said = str(getattr(error, "message", "") or error)
        return " ".join(said.replace(str(self._socket), "").split())


def _status_of(error: BaseException | None) -> str:
    """Return how gRPC calls what has happened, "" where it is Milvus that complains."""
    import grpc

    while error is not None:
        if isinstance(error, grpc.FutureTimeoutError):
            return "DEADLINE_EXCEEDED"
        if isinstance(error, grpc.RpcError):
            return str(error.code().name)
        error = error.__context__  # pymilvus raises errors from themselves: that is no cause
    return ""
