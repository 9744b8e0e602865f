"""Which library computes the model, and its conversion when that is OpenVINO. For the parent."""

from __future__ import annotations

import logging
import select
import time
from collections.abc import Callable
from pathlib import Path

from clipd.config.options import EncoderConfig
from clipd.encode.compiled import find, forget, forget_oldest, home_of
from clipd.encode.cores import threads_for
from clipd.encode.gpu import has_gpu_driver
from clipd.encode.model_json import as_json
from clipd.encode.registry import OFFLINE, environment_of
from clipd.errors import ChildError, EncoderClosedError, ModelError
from clipd.json_types import JsonObject
from clipd.photo import ModelSpec
from clipd.process.child import Child

log = logging.getLogger(__name__)

_LOOK_MS = 250  # between two looks whether the conversion is still wanted
_CONVERSION_SECONDS = 900.0  # the largest preset on one slow core takes less
_NICE = 5


class Runtime:
    """Has a model converted for this processor when it is first needed. For one thread."""

    def __init__(self, spec: ModelSpec, config: EncoderConfig, cache: Path) -> None:
        self._spec = spec
        self._config = config
        self._cache = cache
        self._why_not = ""  # OpenVINO was tried in vain, and is not tried again

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
                return {"threads": threads, "compiled": str(self._converted(is_wanted, say))}
            except ModelError as error:
                self.distrust(str(error))
        return {"threads": threads, "reason": self._why_not}

    def distrust(self, why: str) -> None:
        """Leave OpenVINO alone from now on; torch does the work."""
        self._why_not = f"torch is used, not OpenVINO: {why}"
        log.warning("%s", self._why_not)

    def _is_for_torch(self) -> bool:
        config = self._config
        may_use_gpu = config.device == "cuda" or (config.device == "auto" and has_gpu_driver())
        return config.runtime == "torch" or may_use_gpu

    def _converted(self, is_wanted: Callable[[], bool], say: Callable[[str], None]) -> Path:
        home = home_of(self._spec, self._config.precision, self._cache)
        if find(home, self._cache) is not None:
            return home
        sentence = f"preparing {self._spec.name} for this processor"
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

    def _convert(self, home: Path, is_wanted: Callable[[], bool]) -> None:
        threads = threads_for(self._config.threads)
        order: JsonObject = {
            "spec": as_json(self._spec),
            "cache": str(self._cache),
            "folder": str(home),
            "precision": self._config.precision,
            "threads": threads,
        }
        environment = {"OMP_NUM_THREADS": str(threads), **OFFLINE, **environment_of(self._spec)}
        with Child("clipd.encode.convert_worker", environment=environment, nice=_NICE) as child:
            channel = child.lanes[0]
            try:
                channel.send(order)
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
