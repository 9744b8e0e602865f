"""The actors of a bulk run: started, given work, replaced when they die."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from clipd.bulk.batch import ActorHello, ActorOrder, ActorState, Batch, BatchResult
from clipd.bulk.ray_library import ActorLostError, Cluster, Node
from clipd.bulk.workload import Workload
from clipd.errors import BulkError

_AHEAD: Final = 3  # batches that an actor has: one is encoded, one decoded, one at hand
_LOOK_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 300.0  # without an actor that could work
_FAILED_STARTS: Final = 5  # in a row, and two more for each actor that is wanted


@dataclass(frozen=True, slots=True)
class Staffing:
    """How many actors there are to be, and what each of them takes."""

    actors: int
    cpus: int
    gpus: int
    is_shared: bool  # several of them to a node


def staffing(nodes: list[Node], actors: int) -> Staffing:
    """Return how to use the machines of a cluster.

    Args:
        nodes: the machines.
        actors: how many are wanted; 0: one for each GPU, where there are none for each machine.

    Raises:
        BulkError: no machine has a processor to give.
    """
    able = [node for node in nodes if node.cpus]
    if not able:
        raise BulkError("the cluster has no machine with processors; start one: ray start")
    gpus = sum(node.gpus for node in able)
    wanted = actors or gpus or len(able)
    a_node = math.ceil(wanted / len(able))
    cpus = max(1, min(node.cpus for node in able) // a_node)
    return Staffing(wanted, cpus, int(0 < wanted <= gpus), a_node > 1)


@dataclass(eq=False, slots=True)
class _Member:
    """One actor."""

    actor: Any
    host: str = "a node"
    device: str = ""
    is_ready: bool = False
    start: Any = None  # what `hello` or `prepare` is answered with
    work: dict[Any, Batch] = field(default_factory=dict)  # by what is answered

    @property
    def has_suspect(self) -> bool:
        return any(batch.is_suspect for batch in self.work.values())


class Crew:
    """Actors at work. For one thread; close it, or use it as a context."""

    def __init__(
        self,
        cluster: Cluster,
        staff: Staffing,
        order: ActorOrder,
        workload: Workload,
        say: Callable[[str], object],
        *,
        is_trusting: bool,
    ) -> None:
        """Start nobody yet.

        Args:
            order: what each actor has to know.
            workload: what there is to do.
            say: told in a sentence when an actor is given up.
            is_trusting: a cluster that lets in whoever comes will do.
        """
        self._cluster = cluster
        self._staff = staff
        self._order = order
        self._workload = workload
        self._say = say
        self._is_trusting = is_trusting
        self._wanted = staff.actors
        self._members: list[_Member] = []
        self._failed_starts = 0  # in a row
        self._idle_since = time.monotonic()  # nobody has been able to work
        self.lost = 0  # actors that died

    @property
    def devices(self) -> tuple[str, ...]:
        """What each actor that can work computes with."""
        return tuple(member.device for member in self._members if member.is_ready)

    def results(self) -> Iterator[BatchResult]:
        """Keep everybody busy for a moment; yield what was done.

        Raises:
            BulkError: nobody can work any more.
        """
        self._hire()
        self._feed()
        waiting = {one: member for member in self._members for one in _expected(member)}
        if not waiting:
            return
        for one in self._cluster.answered(list(waiting), _LOOK_SECONDS):
            member = waiting[one]
            if member not in self._members:
                continue  # lost or dismissed just now
            try:
                answer = self._cluster.answer(one)
            except ActorLostError as error:
                yield from self._lose(member, str(error))
            else:
                yield from self._take_in(member, one, answer)
        self._insist_on_somebody()

    def close(self) -> None:
        """End all actors."""
        for member in self._members:
            self._cluster.end_actor(member.actor)
        self._members.clear()

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _hire(self) -> None:
        while len(self._members) < self._wanted:
            actor = self._cluster.start_actor(self._staff.cpus, self._staff.gpus)
            member = _Member(actor)
            member.start = self._cluster.call(actor, "hello")
            self._members.append(member)

    def _feed(self) -> None:
        """Give work to those that have little, one batch each in turn."""
        for _ in range(_AHEAD):
            for member in self._members:
                if not member.is_ready or member.has_suspect or len(member.work) >= _AHEAD:
                    continue
                batch = self._workload.take(has_nothing=not member.work)
                if batch is not None:
                    member.work[self._cluster.call(member.actor, "encode", batch)] = batch

    def _take_in(self, member: _Member, one: Any, answer: Any) -> Iterator[BatchResult]:
        if isinstance(answer, ActorHello):
            self._greet(member, answer)
        elif isinstance(answer, ActorState):
            self._note_state(member, answer)
        else:
            assert isinstance(answer, BatchResult)
            batch = member.work.pop(one)
            problem = answer.problem or _fault_of_node(answer)
            if problem:
                self._workload.give_back(batch)
                self._dismiss(member, problem)
            else:
                self._workload.finish()
                yield answer

    def _greet(self, member: _Member, hello: ActorHello) -> None:
        if not (hello.asks_for_token or self._is_trusting):
            raise BulkError(
                f"{self._cluster.name} lets in whoever comes: it runs without a token, so that "
                "anybody who reaches it runs code on every node; start it with "
                "RAY_AUTH_MODE=token, or say that you trust that network: --trust-network"
            )
        member.host = hello.host
        member.start = self._cluster.call(member.actor, "prepare", self._order)

    def _note_state(self, member: _Member, state: ActorState) -> None:
        member.start = None
        if state.problem:
            self._dismiss(member, state.problem)
            return
        member.device, member.is_ready = state.device, True
        self._failed_starts = 0

    def _lose(self, member: _Member, reason: str) -> Iterator[BatchResult]:
        """Go on without an actor that died; another one takes its place."""
        self._members.remove(member)
        self._cluster.end_actor(member.actor)  # it may only be out of reach, and come back
        self.lost += 1
        for batch in member.work.values():
            if given_up := self._workload.lose(batch):
                yield BatchResult(refused=given_up)
        self._failed_starts += not member.is_ready
        if self._failed_starts >= _FAILED_STARTS + 2 * self._staff.actors:
            raise BulkError(
                f"no process of clipd starts on {self._cluster.name} ({reason}); install this "
                "version of clipd with the extra ray on every node"
            )

    def _dismiss(self, member: _Member, problem: str) -> None:
        """Go on without an actor that cannot work, and without another one in its place."""
        self._members.remove(member)
        self._cluster.end_actor(member.actor)
        for batch in member.work.values():
            self._workload.give_back(batch)
        self._wanted -= 1
        sentence = f"{member.host} is of no use: {problem}"
        if not self._wanted:
            raise BulkError(f"nobody is left to encode: {sentence}")
        self._say(f"{sentence}; going on with {self._wanted} of {self._staff.actors} processes")

    def _insist_on_somebody(self) -> None:
        now = time.monotonic()
        if any(member.is_ready or member.host != "a node" for member in self._members):
            self._idle_since = now
        elif now - self._idle_since > _PATIENCE_SECONDS:
            gpus = f" and {self._staff.gpus} GPU" * bool(self._staff.gpus)
            raise BulkError(
                f"{self._cluster.name} has had no room for a process with {self._staff.cpus} "
                f"processors{gpus} for {_PATIENCE_SECONDS / 60:.0f} minutes; see: ray status"
            )


def _expected(member: _Member) -> list[Any]:
    return [*member.work, *([] if member.start is None else [member.start])]


def _fault_of_node(result: BatchResult) -> str:
    """Say why files are out of reach for a node that are not for us; "" where that is not so.

    Such a node is done with its files at once, and would be given all the others.
    """
    if result.photos or not all(refused.is_unreached for refused in result.refused):
        return ""
    for refused in result.refused:
        try:
            os.close(os.open(refused.file.path, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            continue
        path = os.fsdecode(refused.file.path)
        return f"{path} can be read here, but not there ({refused.reason})"
    return ""
