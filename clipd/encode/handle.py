"""The encoder as the rest of clipd sees it: there when it is needed, here or far away."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clipd.config.options import EncoderConfig
from clipd.encode.answered import vectors_of
from clipd.encode.encoder_child import NICE, AskedEncoder, Patience
from clipd.encode.far import FarStarter
from clipd.encode.keeper import EncoderState, Keeper
from clipd.encode.runtime import Runtime
from clipd.encode.starter import ChildStarter
from clipd.errors import (
    ChildError,
    EncodeError,
    EncoderAwayError,
    EncoderClosedError,
    EncoderDiedError,
    ModelMissingError,
)
from clipd.json_types import JsonObject, JsonValue
from clipd.photo import ModelSpec, Pixels, Vectors
from clipd.process.seals import Seals

log = logging.getLogger(__name__)

_IMAGES, _QUERIES = 0, 1
# A batch of 256 pictures through the largest model on one slow core takes less than the second.
_BATCH_PATIENCE = Patience(60.0, 900.0)
_QUERY_PATIENCE = Patience(5.0, 60.0)  # a query waits for one slice of a batch at most
_QUERY_SECONDS = 60.0  # a query in all: its turn, the start of a cold encoder, the work
# After a query found the encoder hanging: for the new start and the second try. With the silence
# before it a person waits 11 s at most for the answer or the sentence.
_SECOND_TRY_SECONDS = 6.0
_STALE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class EncoderStatus:
    """What ``clipctl status`` tells of the encoder."""

    state: EncoderState
    doing: str  # what a start is at, where it takes long; "" otherwise
    runtime: str  # "openvino" or "torch", "" before the first start
    device: str  # "cpu" or "cuda", "" before the first start
    precision: str  # "fp32", "bf16", "fp16" or "int8", "" before the first start
    model: str
    measured: JsonObject  # speed and cosine of each precision that was tried, where known
    reason: str  # why this device and runtime; "" where there is nothing to explain
    seals: Seals | None  # what holds the child, None before the first start
    error: str  # what is wrong now, or why the last start or call failed; "" when all is well
    far: str = ""  # the machine that encodes; "" for this one
    away_since: float | None = None  # time.time(); None while that machine is not away


@dataclass(frozen=True, slots=True)
class _Work:
    """What an encoder is asked."""

    order: JsonObject
    body: bytes | memoryview
    rows: int  # vectors that are to come


class Encoder:
    """Pixels or text to unit vectors, through a child process with two lanes.

    Thread-safe: one call at a time on each lane; queries do not wait for batches. The child
    starts with the first call and ends after ``idle_unload`` without one.
    """

    def __init__(
        self,
        spec: ModelSpec,
        config: EncoderConfig,
        cache: Path,
        absence: str = "",
        *,
        may_try: Callable[[], bool] = lambda: True,
        goes_ahead: bool = False,
        nice: int = NICE,
    ) -> None:
        """Make an encoder; nothing is started yet.

        Args:
            spec: the model.
            config: how it is to run.
            cache: for what can be found out again.
            absence: why there are no weights, as a sentence: every call fails with it.
            may_try: whether work that nobody waits for may be done now; for any thread.
            goes_ahead: encode with torch while the model is converted, not after that.
            nice: levels by which the child gives way to clipd.
        """
        self._spec = spec
        self._absence = absence
        self._lanes = (threading.Lock(), threading.Lock())  # held during a call, one each
        self._runtime = Runtime(spec, config, cache, may_try=may_try, goes_ahead=goes_ahead)
        here = ChildStarter(spec, config, cache, self._runtime, nice)
        far = FarStarter(config.socket, spec) if config.socket else None
        has_substitute = far is not None and config.fallback == "local"
        self._keeper = Keeper(far or here, config.idle_unload, has_substitute=has_substitute)
        self._keepers = [self._keeper]  # and, behind it, one that stands in for its queries
        self._far = far.far if far else ""
        if has_substitute:
            self._keepers.append(Keeper(here, config.idle_unload))

    @property
    def dim(self) -> int:
        """How many numbers a vector has."""
        return self._spec.dim

    def encode_images(self, pixels: Pixels) -> Vectors:
        """Encode upright RGB pictures as unit vectors, on the lane of batches.

        Args:
            pixels: uint8, shape (n, side, side, 3), already resized and cropped.

        Returns:
            float32, shape (n, dim), rows of L2 norm 1, in input order. A row of NaN stands for
            a picture that the model makes no usable vector of.

        Raises:
            EncoderDiedError: the child died of these pictures, or hung over them.
            EncoderAwayError: another machine is to encode, and is away.
            EncodeError: the encoder does not work, whatever the pictures are.
        """
        if not len(pixels):
            return self._nothing()
        if self._absence:
            raise EncodeError(self._absence)
        work = self._images_work(pixels)
        with self._lanes[_IMAGES], self._keeper.calling(gives_way=True):
            vectors = self._ask(self._keeper, self._keeper.awake(), _IMAGES, work)
        self._runtime.offer(pixels)
        return vectors

    def encode_query_image(self, pixels: Pixels) -> Vectors:
        """Encode pictures as unit vectors, on the lane of queries.

        Raises:
            EncodeError: it did not work, twice, or the model makes no usable vector of one.
            ModelMissingError: there are no weights.
        """
        vectors = self._answer_query(self._images_work(pixels))
        if not np.isfinite(vectors).all():
            raise EncodeError("the model makes no usable vector of this picture; try another one")
        return vectors

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Encode texts as unit vectors, on the lane of queries.

        Raises:
            EncodeError: it did not work, twice.
            ModelMissingError: there are no weights.
        """
        if not texts:
            return self._nothing()
        # A lone surrogate, as in a file name that is not UTF-8, would stop the tokenizer.
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        work = _Work({"op": "texts"}, json.dumps(clean).encode(), len(clean))
        vectors = self._answer_query(work)
        if not np.isfinite(vectors).all():
            raise EncodeError("the encoder sent no usable vector of a text")
        return vectors

    def wake(self) -> None:
        """Start it, if it has not been.

        Raises:
            EncodeError: it does not start.
        """
        with self._keeper.calling():
            self._keeper.awake()

    def status(self) -> EncoderStatus:
        """Return how the encoder is; never waits."""
        state, error = self._keeper.state()
        if self._absence:
            state, error = "absent", self._absence
        keys, said = ("runtime", "device", "precision", "reason"), self._keeper.said
        return EncoderStatus(
            state=state,
            doing=self._keeper.doing(),
            model=self._spec.name,
            error=error,
            seals=said.seals,
            measured=said.measured(),
            far=self._far,
            away_since=self._keeper.away_since(),
            **{key: said.about(key) for key in keys},
        )

    def close(self, grace_seconds: float = 5.0) -> None:
        """End the child; a call under way has that long to finish, then it fails."""
        for keeper in self._keepers:
            keeper.close(grace_seconds)

    def __enter__(self) -> Encoder:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _images_work(self, pixels: Pixels) -> _Work:
        side = self._spec.preprocess.side
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (side, side, 3):
            kind = f"{pixels.dtype} {pixels.shape}"
            raise ValueError(f"pixels are {kind}, not uint8 (n, {side}, {side}, 3)")
        shape: list[JsonValue] = [int(size) for size in pixels.shape]
        order: JsonObject = {"op": "images", "shape": shape}
        return _Work(order, np.ascontiguousarray(pixels).data, len(pixels))

    def _nothing(self) -> Vectors:
        return np.empty((0, self._spec.dim), np.float32)

    def _answer_query(self, work: _Work) -> Vectors:
        """Encode on the lane of queries; here, where another machine should and is away."""
        if self._absence:
            raise ModelMissingError(self._absence)
        deadline = time.monotonic() + _QUERY_SECONDS
        with self._turn(deadline):
            keeper, *fallbacks = self._keepers
            if not fallbacks:
                return self._try_twice(keeper, deadline, work)
            if keeper.away_since() is None:
                try:
                    return self._try_twice(keeper, deadline, work)
                except EncoderAwayError as error:
                    log.info("%s; the query is encoded here", error)
            self._insist_on_weights(keeper)
            return self._try_twice(fallbacks[0], deadline, work)

    def _insist_on_weights(self, keeper: Keeper) -> None:
        if Path(self._spec.checkpoint).is_file():
            return
        _, why = keeper.state()
        raise EncoderAwayError(
            f"{why}; and the weights of {self._spec.name} are not on this machine, where no other "
            "model can stand in for it: clipd model fetch"
        )

    def _try_twice(self, keeper: Keeper, deadline: float, work: _Work) -> Vectors:
        """Ask an encoder; when it dies meanwhile, once more a new one."""
        begun = time.monotonic()
        with keeper.calling():
            child = keeper.awake(deadline)
            try:
                return self._ask(keeper, child, _QUERIES, work)
            except EncoderAwayError as error:
                # A connection that broke while nobody needed it is found broken at once.
                if time.monotonic() - begun > _STALE_SECONDS:
                    raise
                first: EncodeError = error
            except EncoderDiedError as error:
                log.warning("%s; trying the query once more", error)
                first = error
                if error.kind == "timeout":
                    deadline = min(deadline, time.monotonic() + _SECOND_TRY_SECONDS)
            try:
                return self._ask(keeper, keeper.awake(deadline), _QUERIES, work)
            except (EncoderClosedError, EncoderAwayError):
                raise
            except EncodeError as second:
                raise EncodeError(f"{first}, then once more: {second}") from second

    @contextmanager
    def _turn(self, deadline: float) -> Iterator[None]:
        """Hold the lane of queries."""
        lane = self._lanes[_QUERIES]
        if not lane.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise EncodeError("the encoder is busy with other queries; ask again in a moment")
        try:
            yield
        finally:
            lane.release()

    def _ask(self, keeper: Keeper, child: AskedEncoder, lane: int, work: _Work) -> Vectors:
        patience = (_BATCH_PATIENCE, _QUERY_PATIENCE)[lane]
        try:
            answer = child.ask(lane, work.order, work.body, patience=patience)
        except (ChildError, OSError) as error:  # OSError: the keeper has ended it just now
            ending = keeper.bury(child, is_hung=isinstance(error, TimeoutError))
            if ending.away:
                raise EncoderAwayError(keeper.state()[1] or ending.away) from error
            died = EncoderDiedError(ending.kind, f"the encoder {ending.words}")
            keeper.complain(str(died))
            raise died from error
        try:
            vectors = vectors_of(answer, work.rows, self._spec.dim)
        except EncodeError as error:
            keeper.complain(str(error))
            raise
        keeper.learn(answer)
        return vectors
