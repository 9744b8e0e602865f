"""The life of an encoder: started when somebody calls, watched, ended when idle."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import AbstractContextManager
from typing import Literal

from clipd.encode.away import Away
from clipd.encode.calls import Calls
from clipd.encode.encoder_child import LOOK_SECONDS, AskedEncoder, Ending, Patience
from clipd.encode.self_report import SelfReport
from clipd.encode.starter import Starter
from clipd.errors import (
    ChildError,
    EncodeError,
    EncoderAwayError,
    EncoderClosedError,
    EncoderRefusedError,
)
from clipd.process.channel import Message
from clipd.process.memory import give_back

log = logging.getLogger(__name__)

# Reading 5 GB of weights from a sleeping disk takes less than the second number.
_START_PATIENCE = Patience(60.0, 900.0)
_SILENCE_WORTH_TELLING_SECONDS = 2.0
# The conversion of a model takes ten seconds of both cores, in which the first photos wait for it.
_HEAD_START_SECONDS = 15.0
_LULL_SECONDS = 1.0  # without a call: whoever was busy has done what there was
# That a query waits until another machine has answered at all: one that is known to be away, or
# that another way leads around; and one that may only be slow to wake.
_SHORT_REACH_SECONDS, _REACH_SECONDS = 1.5, 6.0

_MOST_SAID = 600  # characters of what another machine says
# silent: it does not answer; absent: there is no model for it; away: the other machine is
EncoderState = Literal["asleep", "starting", "ready", "silent", "absent", "away"]


class Keeper:
    """Keeps one encoder, on a thread of its own, while there is something to do for it.

    Thread-safe.
    """

    def __init__(
        self, starter: Starter, idle_seconds: float, *, has_substitute: bool = False
    ) -> None:
        """Keep nothing yet.

        Args:
            starter: makes encoders.
            idle_seconds: how long one stays without a call.
            has_substitute: somebody else answers queries where this does not soon.
        """
        self._has_substitute = has_substitute
        self._starter = starter  # of the thread that starts encoders
        self._idle_seconds = idle_seconds
        # `_changed` guards everything below, and tells of it.
        self._changed = threading.Condition()
        self._child: AskedEncoder | None = None
        self._is_starting = False
        self._failed_starts = 0
        self._is_closed = False
        self._calls = Calls(self._changed)
        self._thread: threading.Thread | None = None
        self._error = ""
        self._doing = ""  # what a start is at, where it takes long
        self._away = Away(starter.far)
        self.said = SelfReport()  # by the child

    def calling(self, *, gives_way: bool = False) -> AbstractContextManager[None]:
        """Mark the length of a call: the child stays, and is watched for signs of life.

        Args:
            gives_way: wait for a better child, when one is about to take over.
        """
        return self._calls.calling(gives_way=gives_way, is_open=self._is_open)

    def awake(self, deadline: float | None = None) -> AskedEncoder:
        """Return the child, ready; have it started when there is none.

        All who call while it starts wait for the same start.

        Args:
            deadline: `time.monotonic()` until which to wait; None: as long as a start may take.

        Raises:
            EncoderClosedError: clipd stops.
            EncoderAwayError: it is on another machine, which cannot be reached.
            EncodeError: it does not start, or not before the deadline.
        """
        with self._changed:
            failed_before = self._failed_starts
            while True:
                self._insist_on_open()
                if self._failed_starts > failed_before:
                    raise EncoderAwayError(self._error) if self._away else EncodeError(self._error)
                if self._child is not None and not self._is_starting:
                    return self._child
                if not self._is_starting:
                    self._start_thread()
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                if left is not None and self._starter.far:
                    is_short = bool(self._away) or self._has_substitute
                    reach = _SHORT_REACH_SECONDS if is_short else _REACH_SECONDS
                    self._insist_on_reach(min(left, reach))
                if not self._changed.wait_for(self._is_settled, left):
                    doing = self.doing()
                    raise EncodeError(
                        f"the encoder is still starting{doing and f' ({doing})'}; "
                        "ask again in a moment"
                    )

    def bury(self, child: AskedEncoder, *, is_hung: bool) -> Ending:
        """End a child that failed; return how it did.

        Raises:
            EncoderClosedError: clipd stops, and that is why it failed.
        """
        ending = self._end(child, at_once=is_hung)
        with self._changed:
            self._insist_on_open()
            if ending.kind == "crash" and not self.said.is_proved:
                self._starter.suspect(f"the encoder {ending.words} before it had encoded anything")
            if ending.away:
                self._error = self._away.begin(EncoderAwayError(ending.away))
        return ending

    def learn(self, answer: Message) -> None:
        """Note what the child says of itself in an answer."""
        with self._changed:
            self.said.learn(answer)
            self._error = ""
            self._away.end()

    def complain(self, sentence: str) -> None:
        """Note why a start or a call failed, until one succeeds."""
        with self._changed:
            if not self._is_closed:
                self._error = sentence

    def state(self) -> tuple[EncoderState, str]:
        """Return how the child is, and what is wrong now or was with the last call; never waits."""
        with self._changed:
            child = self._child
            if self._away:
                return "away", self._away.sentence()
            if child is None or not child.is_alive():
                return "starting" if self._is_starting else "asleep", self._error
            silent = child.silent_seconds()
            if silent > _SILENCE_WORTH_TELLING_SECONDS:
                return "silent", f"the encoder does not answer for {silent:.0f} s"
            if child.is_stopped():
                return "silent", "the encoder is stopped by a signal; a query will start a new one"
            return "starting" if self._is_starting else "ready", self._error

    def away_since(self) -> float | None:
        """Return since when the other machine is away, `time.time()`; None while it is not."""
        with self._changed:
            return self._away.since

    def doing(self) -> str:
        """Return what a start is at, where it takes long; "" otherwise."""
        with self._changed:
            if self._doing or self._child is None or not self._is_starting:
                return self._doing
            return self._child.doing()

    def close(self, grace_seconds: float) -> None:
        """End the child; a call under way has that long to finish, then it fails."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._calls or self._is_starting, grace_seconds)
            child, self._child = self._child, None
            is_working = bool(self._calls) or self._is_starting
            thread = self._thread
        if child is not None:
            child.end(at_once=is_working)
        if thread is not None:
            thread.join()

    def _insist_on_reach(self, seconds: float) -> None:
        """Wait until the other machine has answered, though it may still load the model."""
        if self._changed.wait_for(lambda: self._child is not None or self._is_settled(), seconds):
            return
        if not self._away:
            raise EncoderAwayError(f"{self._starter.far} has not answered yet; ask again")
        raise EncoderAwayError(self._away.sentence())

    def _is_settled(self) -> bool:
        return not self._is_starting or self._is_closed

    def _insist_on_open(self) -> None:
        if self._is_closed:
            raise EncoderClosedError

    def _start_thread(self) -> None:
        self._is_starting = True
        self._changed.notify_all()  # the thread before may look whether a machine is back
        self._thread = threading.Thread(
            target=self._keep, args=(self._thread,), name="clipd-encoder-keeper"
        )
        self._thread.start()

    def _keep(self, before: threading.Thread | None) -> None:
        """Start a child, watch over it while it works, end it when it is not needed."""
        if before is not None:
            before.join()  # it may still be ending the child before
        child, why_not = None, ""
        try:
            child = self._start()
        except EncoderClosedError:
            pass
        except EncoderAwayError as error:
            with self._changed:
                why_not = self._away.begin(error)
        except EncodeError as error:
            why_not = str(error)
        finally:
            with self._changed:
                self._is_starting = False
                self._failed_starts += child is None
                self._error = why_not
                self._changed.notify_all()
        if child is not None:
            if self._starter.is_unprepared:
                self._prepare_beside(child)
            self._watch(child)
        self._look_for_return()

    def _look_for_return(self) -> None:
        """While the other machine is away, see now and then whether it is back."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not self._may_look(), self._away.next_wait())
                if not self._may_look():
                    return
            if self._starter.probe(self._may_look):
                with self._changed:
                    if self._away and not self._is_starting:
                        log.info("%s is back", self._starter.far)
                        self._away.presume_back()
                        self._error = ""
                return

    def _may_look(self) -> bool:
        with self._changed:
            return bool(self._away) and not self._is_starting and not self._is_closed

    def _prepare_beside(self, child: AskedEncoder) -> None:
        """Have the model converted while a child computes it with torch; then end that child."""
        # The cores are the child's for a while, unless nobody asks it anything.
        self._calls.wait_for_lull(_LULL_SECONDS, _HEAD_START_SECONDS, lambda: self._is_fit(child))
        try:
            self._starter.prepare(lambda: self._is_fit(child), self._say)
        except EncoderClosedError:
            return
        if self._retire(child):
            child.end(at_once=False)
            log.info("encoder ended: another takes over")

    def _retire(self, child: AskedEncoder) -> bool:
        """Take a child out of service once nobody asks it anything; return whether that worked.

        Batches wait for that; queries, which are short, do not.
        """
        with self._changed, self._calls.barred():
            while self._calls and self._is_fit(child):
                self._changed.wait(LOOK_SECONDS)
            is_free = not self._calls and self._is_fit(child)
            if is_free:
                self._child = None
        return is_free

    def _is_fit(self, child: AskedEncoder) -> bool:
        with self._changed:
            return self._child is child and not self._is_closed and not child.overdue()

    def _start(self) -> AskedEncoder:
        started = time.monotonic()
        self.said.is_proved = False
        child = self._starter.launch(self._is_open, self._say)
        with self._changed:
            is_closed = self._is_closed
            self._child = None if is_closed else child  # so that close() can end it meanwhile
        if is_closed:
            child.end(at_once=True)
            raise EncoderClosedError
        self._introduce(child)
        log.info(
            "encoder ready after %.1f s: %s on %s, %s%s",
            time.monotonic() - started,
            *(self.said.about(key) for key in ("runtime", "device", "precision")),
            f", by {self._starter.far}" if self._starter.far else "",
        )
        return child

    def _is_open(self) -> bool:
        with self._changed:
            return not self._is_closed

    def _say(self, doing: str) -> None:
        with self._changed:
            self._doing = doing

    def _introduce(self, child: AskedEncoder) -> None:
        """Tell the child its model and wait until it is ready."""
        try:
            answer = child.introduce(self._starter.order(), _START_PATIENCE)
        except (ChildError, OSError) as error:
            ending = self.bury(child, is_hung=isinstance(error, TimeoutError))
            if ending.away:
                raise EncoderAwayError(ending.away) from error
            raise EncodeError(f"the encoder {ending.words} while it started") from error
        if "ready" not in answer.header:
            self._end(child, at_once=False)
            said = str(answer.header.get("error"))
            if self._starter.far:
                raise EncoderRefusedError(f"{self._starter.far} refused: {said[:_MOST_SAID]}")
            raise EncodeError(said)
        self.learn(answer)
        self.said.learn_seals(answer)

    def _watch(self, child: AskedEncoder) -> None:
        """End the child when it hangs, or when no call has come for the time of idleness."""
        with self._changed:
            while self._child is child and not self._is_closed:
                left = self._idle_seconds - self._calls.idle_seconds()
                if self._calls:
                    self._changed.wait(LOOK_SECONDS)
                    if child.overdue():
                        break
                elif left > 0:
                    self._changed.wait(left)
                else:
                    break
            is_over = self._child is child and not self._is_closed
            is_hung = bool(self._calls)
        if is_over:  # whoever still asks it learns so from its closed lanes
            self._end(child, at_once=is_hung)
            log.info("encoder ended: %s", "it did not answer" if is_hung else "it is not needed")
            if not is_hung:
                self._starter.refine(self._is_idle)
            give_back()

    def _is_idle(self) -> bool:
        with self._changed:
            return not self._calls and not self._is_closed

    def _end(self, child: AskedEncoder, *, at_once: bool) -> Ending:
        with self._changed:
            if self._child is child:
                self._child = None
            self._changed.notify_all()
        return child.end(at_once=at_once)
