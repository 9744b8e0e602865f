"""An encoder on another machine, at the other end of a Unix socket.

Behind the socket stands ``ssh -T HOST clipd encoder`` (or anything that connects it with the
streams of that command): clipd itself has no network. Its end is `far_server`.
"""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path

from clipd import __version__
from clipd.encode.encoder_child import AskedEncoder, Ending, Patience
from clipd.encode.greeting import Greeting, await_greeting
from clipd.encode.mux import Mux
from clipd.encode.starter import IsWanted, Say
from clipd.errors import ChildError, EncoderAwayError, EncoderClosedError, EncoderRefusedError
from clipd.json_types import JsonObject
from clipd.photo import ModelSpec
from clipd.process.channel import Message

log = logging.getLogger(__name__)

# ssh gives up after 5 s by itself, and a small machine takes some for its part of the handshake.
_GREETING_SECONDS = 20.0
# It gives a sign of life every second, whatever it computes: the link is what may be silent.
_MOST_SILENCE_SECONDS = 15.0
_MOST_TOLD = 100  # characters of what it is at
_DESCRIBE = Patience(30.0, 60.0)  # it may have to hash weights


class FarEncoder(AskedEncoder):
    """A ``clipd encoder`` that has greeted."""

    def __init__(self, sock: socket.socket, greeting: Greeting, name: str) -> None:
        """Speak with what is at the other end; the socket is taken over.

        Args:
            sock: connected.
            greeting: what has come over it so far.
            name: of the machine, for sentences.
        """
        self.name = name
        stream = sock.detach()
        self._mux = Mux(
            stream,
            stream,
            first=greeting.rest,
            hear=lambda words: log.info("%s: %s", name, words),
        )
        self._turns = [0 for _ in self._mux.lanes]  # the number of the last question, by lane
        self._complaint = ""  # of an answer that cannot be one
        super().__init__(self._mux.lanes)

    def ask(
        self,
        lane: int,
        order: JsonObject,
        body: bytes | memoryview = b"",
        *,
        patience: Patience,
    ) -> Message:
        """Ask as any encoder is asked; the answer has to carry the number of the question.

        What was sent twice, or late, would else be taken for the vectors of other photos.
        """
        self._turns[lane] += 1
        turn = self._turns[lane]
        answer = super().ask(lane, {**order, "turn": turn}, body, patience=patience)
        if answer.header.get("turn") != turn:
            self._complaint = "it answered what it was not asked"
            raise ChildError(self._complaint)
        return answer

    def doing(self) -> str:
        """Return what the other machine is at."""
        return self._mux.told[:_MOST_TOLD]

    def is_alive(self) -> bool:
        """Whether the connection is there."""
        return self._mux.is_open()

    def is_stopped(self) -> bool:
        """Return False: what does not answer there is seen by its silence alone."""
        return False

    def end(self, *, at_once: bool) -> Ending:
        """Close the connection; the process at its other end ends of that."""
        self._mux.close()
        words = f"did not answer for {self._hung_seconds:.0f} s" if self._hung_seconds else ""
        why = words or self._complaint or self._mux.ending or "the connection was lost"
        return Ending("crash", why, away=why)

    def _quiet_seconds(self) -> float:
        return self._mux.silent_seconds()

    def _most_silence(self, patience: Patience) -> float:
        return min(patience.silent_seconds, _MOST_SILENCE_SECONDS)


class FarStarter:
    """Connects to the encoder of another machine. For the keeper's thread."""

    is_unprepared = False

    def __init__(self, address: Path, spec: ModelSpec) -> None:
        """Connect to nothing yet.

        Args:
            address: the socket.
            spec: the model; its weights need not be here.
        """
        self._address = address
        self._spec = spec
        self.far = name_behind(address)

    def launch(self, is_wanted: IsWanted, say: Say) -> AskedEncoder:
        """Connect, and check that the same clipd is there.

        Raises:
            EncoderAwayError: it cannot be reached, or is another one.
        """
        say(f"connecting to {self.far}")
        sock = socket.socket(socket.AF_UNIX)
        try:
            greeting = connect(sock, self._address, is_wanted)
            insist_on_version(greeting, self.far)
            if greeting.before:
                log.info("%s said before it began: %s", self.far, greeting.before)
            return FarEncoder(sock, greeting, self.far)
        except EncoderAwayError:
            if not is_wanted():
                raise EncoderClosedError from None
            raise
        finally:
            say("")
            sock.close()  # unless the encoder has it now

    def order(self) -> JsonObject:
        """Return what tells the other machine the model; where it lies is its own affair."""
        spec = self._spec
        return {
            "op": "use",
            "version": __version__,
            "name": spec.name,
            "architecture": spec.architecture,
            "pretrained": spec.pretrained,
            "fingerprint": spec.fingerprint,
        }

    def prepare(self, is_wanted: IsWanted, say: Say) -> None:
        """Do nothing: the other machine sees to it."""

    def refine(self, is_wanted: IsWanted) -> None:
        """Do nothing: the other machine sees to it."""

    def suspect(self, why: str) -> None:
        """Do nothing: the other machine sees to it."""

    def probe(self, is_wanted: IsWanted) -> bool:
        """Tell whether it greets."""
        with socket.socket(socket.AF_UNIX) as sock:
            try:
                insist_on_version(connect(sock, self._address, is_wanted), self.far)
            except EncoderAwayError:
                return False
        return True


def connect(sock: socket.socket, address: Path, is_wanted: IsWanted) -> Greeting:
    """Connect a socket to an encoder, and wait until that greets.

    Raises:
        EncoderAwayError: nothing is there, or no encoder.
    """
    try:
        sock.settimeout(_GREETING_SECONDS)
        sock.connect(os.fspath(address))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise EncoderAwayError(
            f"nothing answers at {address} ({reason}); start what stands behind it: "
            "systemctl --user start clipd-encoder.socket"
        ) from error
    return await_greeting(sock, _GREETING_SECONDS, is_wanted)


def describe(encoder: FarEncoder, name: str, pretrained: str) -> JsonObject:
    """Ask another machine for its description of a model.

    Raises:
        EncoderRefusedError: it has none; with its words.
        EncoderAwayError: it does not answer as it should.
    """
    order: JsonObject = {
        "op": "describe",
        "version": __version__,
        "name": name,
        "pretrained": pretrained,
    }
    try:
        answer = encoder.introduce(order, _DESCRIBE).header
    except (ChildError, OSError) as error:
        raise EncoderAwayError(encoder.end(at_once=True).words) from error
    if isinstance(refusal := answer.get("error"), str):
        raise EncoderRefusedError(f"{encoder.name} refused: {refusal}")
    found = answer.get("spec")
    return found if isinstance(found, dict) else {}


def insist_on_version(greeting: Greeting, name: str) -> None:
    """Check that the same clipd is at both ends, since what crosses may change with each.

    Raises:
        EncoderRefusedError: it is another one.
    """
    if greeting.version != __version__:
        raise EncoderRefusedError(
            f"{name} has clipd {greeting.version}, this is {__version__}: "
            "install the same version on both"
        )


def name_behind(address: Path) -> str:
    """Return what to call the machine behind a socket: as the socket is called."""
    return (
        "the far encoder" if address.stem in ("", "encoder") else address.name.removesuffix(".sock")
    )
