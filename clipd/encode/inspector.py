"""A child that may import open_clip, and answers questions about models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from clipd.errors import ChildError, ModelError, WrongModelError
from clipd.json_types import JsonValue
from clipd.process.child import Child

# The libraries that a child loads could fetch on their own; only `fetch` lets them.
OFFLINE = {
    **{"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"},
    "HF_TOKEN_PATH": "/dev/null",  # the user's own is closed to a sealed child, which would stop
}

_ANSWER_SECONDS: Final = 600.0  # importing torch from a slow, cold disk can take minutes


class Inspector:
    """Answers one question after the other: what it imports for the first takes seconds."""

    def __init__(
        self, cache: Path, checkpoint: str = "", environment: Mapping[str, str] = OFFLINE
    ) -> None:
        """Start nothing yet.

        Args:
            cache: a folder that may be written to.
            checkpoint: the only weights that may be read; "" for none.
            environment: of the child, over ours.
        """
        self._cache = cache
        self._checkpoint = checkpoint
        self._environment = environment
        self._child: Child | None = None

    def ask(self, question: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Return the answer to a question, as `inspect_worker` understands it.

        Raises:
            WrongModelError: it loaded a model to check it, and says what is wrong with it.
            ModelError: it said why not, died, or took too long.
        """
        if self._child is None:
            self._child = Child("clipd.encode.inspect_worker", environment=self._environment)
        channel = self._child.lanes[0]
        channel.set_timeout(_ANSWER_SECONDS)
        order = {**question, "cache": str(self._cache), "checkpoint": self._checkpoint}
        try:
            channel.send(order)
            answer = channel.receive(0)
        except (ChildError, TimeoutError) as error:
            self._child.kill()
            raise ModelError(f"the process that reads models failed: {error}") from error
        if answer is None:
            raise ModelError("the process that reads models died; its last words are above")
        if isinstance(text := answer.header.get("error"), str):
            raise WrongModelError(text) if question["op"] == "check" else ModelError(text)
        return answer.header

    def __enter__(self) -> Inspector:
        return self

    def __exit__(self, *error: object) -> None:
        if self._child is not None:
            self._child.stop()
