"""A process sealed like a decoder that tries every system call there is, and reports on each."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import sys

from clipd.decode.sandbox import seal_decoder
from clipd.process.call_filter import load_libseccomp

_MOST_CALLS = 600  # beyond the highest number of today's kernels
# uretprobe and uprobe of x86-64 pass every filter (Linux 6.14), and end whoever calls them.
_UNFILTERED = {335, 336}


def main() -> None:
    """Try what the argument says, and print it as JSON."""
    libseccomp = load_libseccomp()
    assert libseccomp is not None
    arch = libseccomp.system_arch()
    numbers = {name: libseccomp.resolve_syscall(arch, name) for name in sys.argv[2:]}
    libc = ctypes.CDLL(None, use_errno=True)
    seals = seal_decoder(1 << 30).seals
    found: dict[str, str] = {}
    if sys.argv[1] == "all":
        for number in sorted(set(range(_MOST_CALLS)) - set(numbers.values()) - _UNFILTERED):
            found[str(number)] = _outcome(libc, number)
    else:
        for name, arguments in json.loads(sys.argv[1]):
            found[f"{name}{arguments}"] = _outcome(libc, numbers[name], *arguments)
    print(json.dumps([seals.to_json(), found]), flush=True)
    os._exit(0)


def _outcome(libc: ctypes.CDLL, number: int, *arguments: int) -> str:
    ctypes.set_errno(0)
    words = [ctypes.c_ulong(each) for each in arguments]
    words += [ctypes.c_ulong(0)] * (6 - len(words))
    if libc.syscall(ctypes.c_long(number), *words) >= 0:
        return "done"
    return errno.errorcode[ctypes.get_errno()]


if __name__ == "__main__":
    main()
