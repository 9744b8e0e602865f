"""Whether a file is at rest, that is: nobody is writing it."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from functools import lru_cache

from clipd.photo import Fingerprint
from clipd.watch.filesystems import filesystem_of


def at_rest(path: bytes, seen: Fingerprint, settle_seconds: float = 0.3) -> bool:
    """Whether nobody has a file open for writing, as far as the system tells.

    Asked of the kernel by taking a read lease for an instant (fcntl(2)): it is refused while
    anybody has the file open for writing. Where there are no leases, a file is at rest when
    it was last written ``settle_seconds`` ago.

    Args:
        path: a regular file.
        seen: its fingerprint, taken just now.
        settle_seconds: the age that counts as rest where there are no leases.
    """
    answer = _lease(path) if _has_leases(os.path.dirname(path), seen.device) else None
    return _is_old(seen, settle_seconds) if answer is None else answer


@lru_cache(maxsize=64)
def _has_leases(folder: bytes, device: int) -> bool:
    # By folder and device, so that another file system mounted there is asked anew.
    return filesystem_of(folder).has_leases


def _is_old(seen: Fingerprint, settle_seconds: float) -> bool:
    age = time.time() - seen.mtime_ns / 1e9
    return not 0 <= age < settle_seconds  # a time in the future says nothing: do not wait for it


def _lease(path: bytes) -> bool | None:
    """Return whether a read lease is granted; None when there is no telling."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # A writer that comes in this instant makes the kernel send SIGIO, which would end
        # the process; SIGURG is ignored unless somebody wants it (signal(7)).
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return False
    except OSError:
        return None  # not the owner of the file, or no leases here
    else:
        return True
    finally:
        os.close(file)  # gives the lease back
