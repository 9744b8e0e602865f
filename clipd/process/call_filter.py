"""Which system calls a process may still make: seccomp(2), compiled by libseccomp."""

from __future__ import annotations

import ctypes
import errno
import os
from dataclasses import dataclass
from types import ModuleType
from typing import Final

ALLOW: Final = 0  # the call is made
ASK: Final = -1  # the holder of the listener decides; see `clipd.process.thread_limit`

_PR_SET_NO_NEW_PRIVS: Final = 38
_SET_MODE_FILTER: Final = 1
_NEW_LISTENER: Final = 8
_BYTES_PER_INSTRUCTION: Final = 8
_INT: Final = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class When:
    """A condition: the bits of one argument under ``mask`` are those of ``value``.

    The mask is 32 bits by itself, which is what the kernel reads of an int: without it, a rule
    that refuses a value could be passed by setting a higher bit, which nobody looks at.
    """

    argument: int  # 0 is the first
    value: int
    mask: int = _INT


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of one system call, when all conditions hold."""

    call: str
    when: tuple[When, ...] = ()
    answer: int = ALLOW  # `ALLOW`, `ASK`, or the errno that the caller gets instead


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Rules, and what becomes of every call that no rule is about."""

    rules: tuple[Rule, ...]
    otherwise: int  # `ALLOW`, or an errno


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def allowed(*calls: str) -> tuple[Rule, ...]:
    """Make rules that let calls pass."""
    return tuple(Rule(call) for call in calls)


def refused(*calls: str, error: int = errno.EPERM) -> tuple[Rule, ...]:
    """Make rules that answer calls with an error."""
    return tuple(Rule(call, answer=error) for call in calls)


def load_libseccomp() -> ModuleType | None:
    """Import what compiles filters; None where libseccomp is not installed.

    It opens files and starts ldconfig: to be called before anything is sealed.
    """
    try:
        import pyseccomp
    except (ImportError, RuntimeError):  # RuntimeError: it is there, but not libseccomp
        return None
    module: ModuleType = pyseccomp
    return module


def filter_calls(pyseccomp: ModuleType, wanted: CallFilter) -> int:
    """Filter the calls of this thread, and of all it starts from now on. Cannot be undone.

    Returns:
        The listener that answers the calls of `ASK` rules; -1 when there are none.

    Raises:
        OSError: the kernel did not take the filter; nothing has changed.
    """
    has_questions = asks(wanted)
    code = _compiled(pyseccomp, wanted)
    program = _Program(len(code) // _BYTES_PER_INSTRUCTION, code)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    number = pyseccomp.resolve_syscall(pyseccomp.system_arch(), "seccomp")
    flags = _NEW_LISTENER if has_questions else 0
    # Not libseccomp's own `load`: pyseccomp 0.1.2 cannot hand out the listener.
    done = libc.syscall(number, _SET_MODE_FILTER, flags, ctypes.byref(program))
    if done < 0:
        reason = ctypes.get_errno()
        raise OSError(reason, os.strerror(reason))
    return int(done) if has_questions else -1


def asks(wanted: CallFilter) -> bool:
    """Whether the filter needs somebody who answers."""
    return any(rule.answer == ASK for rule in wanted.rules)


def without_questions(wanted: CallFilter) -> CallFilter:
    """Return the filter with `ASK` turned into `ALLOW`, for where there can be no listener."""
    rules = tuple(
        Rule(rule.call, rule.when) if rule.answer == ASK else rule for rule in wanted.rules
    )
    return CallFilter(rules, wanted.otherwise)


def _compiled(pyseccomp: ModuleType, wanted: CallFilter) -> bytes:
    calls = pyseccomp.SyscallFilter(defaction=_action(pyseccomp, wanted.otherwise))
    for rule in wanted.rules:
        # A name that this libseccomp does not know is a call newer than it: it is left to
        # `otherwise`, because one missing name must not cost all the other rules.
        number = pyseccomp.resolve_syscall(pyseccomp.system_arch(), rule.call)
        if number == -1:
            continue
        conditions = (
            pyseccomp.Arg(each.argument, pyseccomp.MASKED_EQ, each.mask, each.value)
            for each in rule.when
        )
        calls.add_rule(_action(pyseccomp, rule.answer), number, *conditions)
    # A pipe and not a file, which may be forbidden already. It holds 64 KiB, and the kernel
    # takes no filter longer than 32.
    reading, writing = os.pipe()
    with open(reading, "rb") as source:
        with open(writing, "wb") as target:
            calls.export_bpf(target)
        return source.read()


def _action(pyseccomp: ModuleType, answer: int) -> int:
    if answer == ALLOW:
        action: int = pyseccomp.ALLOW
    else:
        action = pyseccomp.NOTIFY if answer == ASK else pyseccomp.ERRNO(answer)
    return action
