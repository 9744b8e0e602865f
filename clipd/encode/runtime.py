"""Which library computes the model, and its conversion when that is OpenVINO. For the parent."""

from __future__ import annotations

import fcntl
import logging
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from clipd.config.options import EncoderConfig
from clipd.encode.compiled import INT8, find, forget, forget_oldest, homes_of, is_refused
from clipd.encode.cores import threads_for
from clipd.encode.gpu import has_gpu_driver
from clipd.encode.inspector import OFFLINE
from clipd.encode.model_json import as_json
from clipd.encode.registry import environment_of
from clipd.encode.sample import Sample
from clipd.errors import ChildError, EncoderClosedError, ModelError
from clipd.json_types import JsonObject
from clipd.photo import ModelSpec, Pixels
from clipd.process.child import Child
from clipd.process.memory import available_bytes

log = logging.getLogger(__name__)

_LOOK_MS = 250  # between two looks whether the conversion is still wanted
_CONVERSION_SECONDS = 900.0  # the largest preset on one slow core takes less
# Of ViT-L-14, of which torch holds 2 GB in one process, and twice that for a moment in the other.
_ROOM_FOR_BOTH_BYTES = 6 << 30
_NICE = 5
_VERY_NICE = 19  # for what nobody waits for


class Runtime:
    """Has a model converted for this processor when it is first needed. For the keeper's thread."""

    def __init__(
        self,
        spec: ModelSpec,
        config: EncoderConfig,
        cache: Path,
        *,
        may_try: Callable[[], bool],
        goes_ahead: bool,
    ) -> None:
        """Convert nothing yet.

        Args:
            spec: the model.
            config: how it is to run.
            cache: for what can be made again.
            may_try: whether work that nobody waits for may be done now; for any thread.
            goes_ahead: have torch compute until the model is converted, where memory is not short.
        """
        self._goes_ahead = goes_ahead
        self.is_unprepared = False  # torch computes until `prepare` is done
        self._may_try = may_try
        self._spec = spec
        self._config = config
        self._cache = cache
        self._why_not = ""  # OpenVINO was tried in vain, and is not tried again
        self._sample = Sample()
        self._wants_sample = False  # read by any thread

    def order(self, is_wanted: Callable[[], bool], say: Callable[[str], None]) -> JsonObject:
        """Return what an encoder process has to know of its runtime.

        This may take half a minute, the first time on a machine.

        Args:
            is_wanted: asked now and then; when it says no, a conversion is broken off.
            say: told what goes on, for the status.

        Raises:
            EncoderClosedError: it was broken off.
        """
        threads = threads_for(self._config.threads)
        if self._is_for_torch():
            return {"threads": threads}
        if not self._why_not:
            try:
                home = self._refined() or self._first_converted()
                if home is None and self._goes_ahead and available_bytes() > _ROOM_FOR_BOTH_BYTES:
                    self.is_unprepared = True
                    return {"threads": threads, "reason": f"{self._sentence()}; until then, torch"}
                home = home or self._converted(is_wanted, say)
                return {"threads": threads, "compiled": str(home)}
            except ModelError as error:
                self.distrust(str(error))
        return {"threads": threads, "reason": self._why_not}

    def prepare(self, is_wanted: Callable[[], bool], say: Callable[[str], None]) -> None:
        """Convert the model while an encoder computes it with torch; the next one knows better.

        Raises:
            EncoderClosedError: it was broken off; arguments and reason as in `order`.
        """
        self.is_unprepared = False
        try:
            self._converted(is_wanted, say)
        except ModelError as error:
            self.distrust(str(error))

    def offer(self, pixels: Pixels) -> None:
        """Show pictures that were encoded, some of which `refine` needs. For any thread."""
        if self._wants_sample:
            self._sample.offer(pixels)

    def refine(self, is_wanted: Callable[[], bool]) -> None:
        """Try int8, if enough pictures were seen; from the next start on it is used, if good.

        Args:
            is_wanted: as in `order`; broken off, it is tried another time.
        """
        sample = self._sample.whole() if self._wants_sample and self._may_try() else None
        if sample is None:
            return
        base, home = self._homes()
        log.info("trying int8 on %d photos", len(sample))
        try:
            forget(home)
            home.mkdir(parents=True)
            self._convert(home, lambda: is_wanted() and self._may_try(), base, sample)
        except EncoderClosedError:
            log.info("int8 is tried another time: there is work to do, or no mains power")
            return
        except (ModelError, OSError) as error:
            log.warning("int8 could not be tried: %s", error)
        self._wants_sample = False
        self._sample.clear()

    def distrust(self, why: str) -> None:
        """Leave OpenVINO alone from now on; torch does the work."""
        self._why_not = f"torch is used, not OpenVINO: {why}"
        log.warning("%s", self._why_not)

    def _is_for_torch(self) -> bool:
        config = self._config
        may_use_gpu = config.device == "cuda" or (config.device == "auto" and has_gpu_driver())
        return config.runtime == "torch" or may_use_gpu

    def _base_precision(self) -> str:
        return "auto" if self._config.precision == INT8 else self._config.precision

    def _homes(self) -> tuple[Path, Path]:
        return homes_of(self._spec, self._config.precision, self._cache)

    def _refined(self) -> Path | None:
        """Return where the model lies in int8, if that was found good enough."""
        if self._config.precision not in ("auto", INT8):
            return None
        _, home = self._homes()
        is_there = find(home, self._cache) is not None
        self._wants_sample = not is_there and not is_refused(home)
        return home if is_there else None

    def _first_converted(self) -> Path | None:
        """Return where the model lies as it is converted first, if it does."""
        home, _ = self._homes()
        return home if find(home, self._cache) is not None else None

    def _sentence(self) -> str:
        return f"preparing {self._spec.name} for this processor"

    def _converted(self, is_wanted: Callable[[], bool], say: Callable[[str], None]) -> Path:
        if (found := self._first_converted()) is not None:
            return found
        with _converting_alone(self._cache, is_wanted):
            return self._first_converted() or self._convert_first(is_wanted, say)

    def _convert_first(self, is_wanted: Callable[[], bool], say: Callable[[str], None]) -> Path:
        home, _ = self._homes()
        sentence = self._sentence()
        log.info("%s: this is done once", sentence)
        say(sentence)
        started = time.monotonic()
        try:
            forget(home)
            home.mkdir(parents=True)
            self._convert(home, is_wanted)
            forget_oldest(home)
        except OSError as error:
            raise ModelError(f"cannot write {home}: {error.strerror}") from error
        finally:
            say("")
        if find(home, self._cache) is None:
            raise ModelError(f"the converted model in {home} cannot be read")
        log.info("%s is prepared after %.1f s", self._spec.name, time.monotonic() - started)
        return home

    def _convert(
        self,
        home: Path,
        is_wanted: Callable[[], bool],
        base: Path | None = None,
        sample: Pixels | None = None,
    ) -> None:
        threads = threads_for(self._config.threads)
        order: JsonObject = {
            "spec": as_json(self._spec),
            "cache": str(self._cache),
            "folder": str(home),
            "precision": self._base_precision() if base is None else self._config.precision,
            "threads": threads,
            "base": "" if base is None else str(base),
        }
        body = b"" if sample is None else np.ascontiguousarray(sample).data
        nice = _NICE if sample is None else _VERY_NICE
        environment = {
            "OMP_NUM_THREADS": str(threads),
            "OMP_WAIT_POLICY": "PASSIVE",  # an encoder may be at work beside it
            **OFFLINE,
            **environment_of(self._spec),
        }
        with Child("clipd.encode.convert_worker", environment=environment, nice=nice) as child:
            channel = child.lanes[0]
            try:
                channel.send(order, body)
                _wait(child, is_wanted)
                answer = channel.receive(0)
            except ChildError as error:
                raise ModelError(f"the process that converts it failed: {error}") from error
            except EncoderClosedError:
                child.kill()
                raise
        if answer is None:
            raise ModelError("the process that converts it died")
        if isinstance(text := answer.header.get("error"), str):
            raise ModelError(text)


@contextmanager
def _converting_alone(cache: Path, is_wanted: Callable[[], bool]) -> Iterator[None]:
    """Keep other processes from converting into the same folder meanwhile.

    Several clipds may encode on one machine for others, each in a process of its own.

    Raises:
        EncoderClosedError: it is not wanted any more.
        ModelError: the file of the lock cannot be made.
    """
    try:
        lock = os.open(cache / "converting.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ModelError(f"cannot write to {cache}: {error.strerror}") from error
    again = threading.Event()
    try:
        while not _is_locked(lock):
            if not is_wanted():
                raise EncoderClosedError
            again.wait(_LOOK_MS / 1000)
        yield
    finally:
        os.close(lock)


def _is_locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait(child: Child, is_wanted: Callable[[], bool]) -> None:
    """Wait until the child has something to say, or is gone."""
    ready = select.poll()  # not select(), which knows no descriptor above 1,023
    ready.register(child.lanes[0].fileno(), select.POLLIN)
    deadline = time.monotonic() + _CONVERSION_SECONDS
    while not ready.poll(_LOOK_MS):
        if not is_wanted():
            raise EncoderClosedError
        if time.monotonic() > deadline:
            child.kill()
            raise ModelError(f"its conversion took over {_CONVERSION_SECONDS:.0f} s")
