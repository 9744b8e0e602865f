"""The encoder as the rest of clipd sees it: a child that is there when it is needed."""

from __future__ import annotations

import json
import logging
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from clipd.config.options import EncoderConfig
from clipd.encode.cores import threads_for
from clipd.encode.model_json import as_json, tokenizer_folder
from clipd.encode.registry import OFFLINE
from clipd.errors import ChildError, EncodeError, EncoderClosedError
from clipd.json_types import JsonValue
from clipd.photo import ModelSpec, Pixels, Vectors
from clipd.process.channel import Channel, Message
from clipd.process.child import Child

log = logging.getLogger(__name__)

# No answer in this time means that the child hangs: a batch of 256 pictures through the largest
# model on one slow core, or reading 5 GB from a sleeping disk, take less.
_HANG_SECONDS = 900.0
_QUERY_HANG_SECONDS = 60.0  # a query waits for one slice of a batch at most
_MAX_ANSWER_BYTES = 1 << 30
_IMAGES, _QUERIES = 0, 1
_TRIES = 2


@dataclass(frozen=True, slots=True)
class EncoderStatus:
    """What ``clipctl status`` tells of the encoder."""

    state: Literal["asleep", "starting", "ready"]
    device: str  # "cpu" or "cuda", "" before the first start
    precision: str  # "fp32", "bf16" or "fp16", "" before the first start
    model: str
    reason: str  # why this device; "" where there is nothing to explain
    error: str  # why the last start or call failed; "" after one that did not


class Encoder:
    """Pixels or text to unit vectors, through a child process with two lanes.

    Thread-safe: one call at a time on each lane; queries do not wait for batches. The child
    starts with the first call and ends after ``idle_unload`` without one.
    """

    def __init__(self, spec: ModelSpec, config: EncoderConfig, cache: Path) -> None:
        self._spec = spec
        self._config = config
        self._cache = cache
        self._lanes = (threading.Lock(), threading.Lock())  # held during a call, one each
        # `_changed` guards everything below, and tells of it.
        self._changed = threading.Condition()
        self._child: Child | None = None
        self._is_starting = False
        self._is_closed = False
        self._calls = 0  # under way
        self._used_at = 0.0
        self._rest: threading.Thread | None = None
        self._told: dict[str, JsonValue] = {}
        self._error = ""

    def encode_images(self, pixels: Pixels) -> Vectors:
        """Encode upright RGB pictures as unit vectors, on the lane of batches.

        Args:
            pixels: uint8, shape (n, side, side, 3), already resized and cropped.

        Returns:
            float32, shape (n, dim), rows of L2 norm 1, in input order.

        Raises:
            EncodeError: not even one picture fits in memory, or the child died twice.
        """
        return self._encode_pixels(_IMAGES, pixels)

    def encode_query_image(self, pixels: Pixels) -> Vectors:
        """Encode pictures on the lane of queries; else as `encode_images`."""
        return self._encode_pixels(_QUERIES, pixels)

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Encode texts as unit vectors, on the lane of queries.

        Raises:
            EncodeError: as `encode_images`.
        """
        # A lone surrogate, as in a file name that is not UTF-8, would stop the tokenizer.
        if not texts:
            return self._nothing()
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        return self._encode(_QUERIES, {"op": "texts"}, json.dumps(clean).encode())

    def status(self) -> EncoderStatus:
        """Return how the encoder is; never waits."""
        with self._changed:
            is_there = self._child is not None and self._child.is_alive()
            state = "starting" if self._is_starting else "ready" if is_there else "asleep"
            told = {key: str(self._told.get(key, "")) for key in ("device", "precision", "reason")}
            return EncoderStatus(state=state, model=self._spec.name, error=self._error, **told)  # type: ignore[arg-type]

    def close(self, grace_seconds: float = 5.0) -> None:
        """End the child; a call under way has that long to finish, then it fails."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._calls or self._is_starting, grace_seconds)
            child, self._child = self._child, None
            is_working = self._calls > 0
        if child is not None:
            child.stop(0 if is_working else 2.0)
        if self._rest is not None:
            self._rest.join()

    def __enter__(self) -> Encoder:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _encode_pixels(self, lane: int, pixels: Pixels) -> Vectors:
        side = self._spec.preprocess.side
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (side, side, 3):
            kind = f"{pixels.dtype} {pixels.shape}"
            raise ValueError(f"pixels are {kind}, not uint8 (n, {side}, {side}, 3)")
        if not len(pixels):
            return self._nothing()
        shape: list[JsonValue] = [int(size) for size in pixels.shape]
        order: dict[str, JsonValue] = {"op": "images", "shape": shape}
        return self._encode(lane, order, np.ascontiguousarray(pixels).data)

    def _nothing(self) -> Vectors:
        return np.empty((0, self._spec.dim), np.float32)

    def _encode(self, lane: int, order: dict[str, JsonValue], body: bytes | memoryview) -> Vectors:
        with self._lanes[lane], self._calling():
            why = ""
            for attempt in range(1, _TRIES + 1):
                child = self._awake()
                try:
                    answer = _ask(child.lanes[lane], order, body)
                except (ChildError, OSError) as error:  # OSError: the other lane buried it just now
                    why = self._bury(child, error)
                    self._insist_on_open()
                    log.warning("the encoder %s (try %d of %d)", why, attempt, _TRIES)
                else:
                    return self._vectors(answer)
            raise self._failed(f"the encoder {why}, twice in the same work: see its log")

    @contextmanager
    def _calling(self) -> Iterator[None]:
        with self._changed:
            self._calls += 1
        try:
            yield
        finally:
            with self._changed:
                self._calls -= 1
                self._used_at = time.monotonic()
                self._changed.notify_all()

    def _awake(self) -> Child:
        """Return the child, ready; start it when there is none, wait when another thread does."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_starting)
            if self._is_closed:
                raise EncoderClosedError
            if self._child is not None:
                return self._child
            self._is_starting = True
        try:
            return self._start()
        finally:
            with self._changed:
                self._is_starting = False
                self._changed.notify_all()

    def _start(self) -> Child:
        if self._rest is not None:
            self._rest.join()  # it may still be ending the child before
        started = time.monotonic()
        try:
            child = Child("clipd.encode.encode_worker", lanes=2, environment=self._environment())
        except OSError as error:  # no memory or no process left
            raise self._failed(f"the encoder cannot be started: {error.strerror}") from error
        with self._changed:
            is_closed = self._is_closed  # since _awake looked
            self._child = None if is_closed else child  # so that close() can end it meanwhile
        if is_closed:
            child.kill()
            raise EncoderClosedError
        for lane in child.lanes:
            lane.set_timeout(_HANG_SECONDS)
        try:
            answer = _ask(child.lanes[_IMAGES], self._first_order())
        except (ChildError, OSError) as error:
            why = self._bury(child, error)
            self._insist_on_open()
            raise self._failed(f"the encoder {why} while it started") from error
        if "ready" not in answer.header:
            self._bury(child, None)
            raise self._failed(str(answer.header.get("error")))
        self._learn(answer)
        child.lanes[_QUERIES].set_timeout(_QUERY_HANG_SECONDS)
        now = self.status()
        log.info(
            "encoder ready after %.1f s: %s on %s, %s",
            *(time.monotonic() - started, now.model, now.device, now.precision),
        )
        self._rest = threading.Thread(
            target=self._let_rest, args=(child,), name="clipd-encoder-rest"
        )
        self._rest.start()
        return child

    def _first_order(self) -> dict[str, JsonValue]:
        return {
            "spec": as_json(self._spec),
            "device": self._config.device,
            "precision": self._config.precision,
            "batch": self._config.batch,
            "cache": str(self._cache),
        }

    def _environment(self) -> dict[str, str]:
        threads = str(threads_for(self._config.threads))
        # Waiting OpenMP threads spin by default: beside busy decoders that made one text take
        # 1,100 ms where PASSIVE takes 150 (fp32, two cores, both taken by others, 2026-11-20).
        passive = {"OMP_WAIT_POLICY": "PASSIVE"}
        own = {"HF_HUB_CACHE": str(tokenizer_folder(self._spec))}
        return {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, **passive, **OFFLINE, **own}

    def _vectors(self, answer: Message) -> Vectors:
        self._learn(answer)
        shape = answer.header.get("shape")
        if shape is None:
            raise self._failed(str(answer.header.get("error")))
        return np.frombuffer(answer.body, np.float32).reshape(shape)  # type: ignore[arg-type]

    def _insist_on_open(self) -> None:
        """What became of a child that we ended ourselves is no failure."""
        with self._changed:
            if self._is_closed:
                raise EncoderClosedError

    def _learn(self, answer: Message) -> None:
        with self._changed:
            self._told = answer.header
            self._error = ""

    def _failed(self, sentence: str) -> EncodeError:
        with self._changed:
            self._error = sentence
        return EncodeError(sentence)

    def _bury(self, child: Child, error: Exception | None) -> str:
        """End a child that failed; return how it did, in words."""
        is_hung = isinstance(error, TimeoutError)
        with self._changed:
            if self._child is child:
                self._child = None
            self._changed.notify_all()
        status = child.stop(0) if is_hung else child.stop()
        return "did not answer in time" if is_hung else _ending(status)

    def _let_rest(self, child: Child) -> None:
        """End the child when no call has come for ``idle_unload``."""
        with self._changed:
            while self._child is child and not self._is_closed:
                left = self._used_at + self._config.idle_unload - time.monotonic()
                if self._calls:
                    self._changed.wait()
                elif left > 0:
                    self._changed.wait(left)
                else:
                    self._child = None
            is_ours = self._child is None and not self._is_closed
        if is_ours:
            child.stop()
            log.info("encoder unloaded")


def _ask(lane: Channel, order: dict[str, JsonValue], body: bytes | memoryview = b"") -> Message:
    lane.send(order, body)
    answer = lane.receive(_MAX_ANSWER_BYTES)
    if answer is None:
        raise ChildError("the encoder has closed its lane")
    return answer


def _ending(status: int) -> str:
    if status == -signal.SIGKILL:
        return "was killed (by the system for want of memory, most likely)"
    return (
        f"died of {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
    )
