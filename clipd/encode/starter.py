"""How an encoder comes to be: a child of clipd here; in `far`, a connection to another machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from clipd.config.options import EncoderConfig
from clipd.encode.cores import threads_for
from clipd.encode.encoder_child import NICE, AskedEncoder, EncoderChild
from clipd.encode.inspector import OFFLINE
from clipd.encode.model_json import as_json
from clipd.encode.registry import environment_of
from clipd.encode.runtime import Runtime
from clipd.errors import EncodeError
from clipd.json_types import JsonObject
from clipd.photo import ModelSpec

IsWanted = Callable[[], bool]  # asked now and then; when it says no, what takes long is broken off
Say = Callable[[str], None]  # told what goes on, for the status


class Starter(Protocol):
    """Starts encoders of one model, one after the other. For the keeper's thread."""

    @property
    def far(self) -> str:
        """The name of the machine that encodes; "" for this one."""

    @property
    def is_unprepared(self) -> bool:
        """Whether `prepare` would make the next encoder a better one."""

    def launch(self, is_wanted: IsWanted, say: Say) -> AskedEncoder:
        """Return an encoder that waits for its first order.

        Raises:
            EncoderClosedError: it was broken off.
            EncodeError: there is none.
        """

    def order(self) -> JsonObject:
        """Return the first order for what was launched last."""

    def prepare(self, is_wanted: IsWanted, say: Say) -> None:
        """Make what the next encoder will be better with, while one is at work."""

    def refine(self, is_wanted: IsWanted) -> None:
        """Use a rest for what nobody waits for."""

    def suspect(self, why: str) -> None:
        """Take note that an encoder died before it had encoded anything."""

    def probe(self, is_wanted: IsWanted) -> bool:
        """Tell whether an encoder that was away can be reached again."""


class ChildStarter:
    """Starts children of clipd, with the runtime that is best for this processor."""

    far = ""

    def __init__(
        self,
        spec: ModelSpec,
        config: EncoderConfig,
        cache: Path,
        runtime: Runtime,
        nice: int = NICE,
    ) -> None:
        """Start nothing yet.

        Args:
            spec: the model.
            config: how it is to run.
            cache: for what can be found out again.
            runtime: tells a new child what to compute with.
            nice: levels by which the child gives way to clipd.
        """
        self._order: JsonObject = {
            "spec": as_json(spec),
            "device": config.device,
            "precision": config.precision,
            "batch": config.batch,
            "cache": str(cache),
        }
        self._runtime = runtime
        self._environment = _environment(spec, config)
        self._nice = nice
        self._suspicion = ""  # why a child may have died of what it computes with

    @property
    def is_unprepared(self) -> bool:
        """Whether torch computes until the model is converted."""
        return self._runtime.is_unprepared

    def launch(self, is_wanted: IsWanted, say: Say) -> AskedEncoder:
        """Start a child; the model is converted before, where that was not done yet."""
        suspicion, self._suspicion = self._suspicion, ""
        if suspicion and self._order.get("compiled"):
            self._runtime.distrust(suspicion)
        self._order |= {"compiled": "", "reason": "", **self._runtime.order(is_wanted, say)}
        try:
            return EncoderChild(self._environment, self._nice)
        except OSError as error:  # no memory or no process left
            raise EncodeError(f"the encoder cannot be started: {error.strerror}") from error

    def order(self) -> JsonObject:
        """Return what tells the child its model."""
        return self._order

    def prepare(self, is_wanted: IsWanted, say: Say) -> None:
        """Have the model converted."""
        self._runtime.prepare(is_wanted, say)

    def refine(self, is_wanted: IsWanted) -> None:
        """Try int8, if enough pictures were seen."""
        self._runtime.refine(is_wanted)

    def suspect(self, why: str) -> None:
        """Blame what it computes with, at the next start."""
        self._suspicion = why

    def probe(self, is_wanted: IsWanted) -> bool:
        """Return True: a child is never away."""
        return True


def _environment(spec: ModelSpec, config: EncoderConfig) -> Mapping[str, str]:
    threads = str(threads_for(config.threads))
    # Waiting OpenMP threads spin by default: beside busy decoders that made one text take
    # 1,100 ms where PASSIVE takes 150 (fp32, two cores, both taken by others, 2026-11-20).
    passive = {"OMP_WAIT_POLICY": "PASSIVE"}
    counts = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    return {**counts, **passive, **OFFLINE, **environment_of(spec)}
