"""FAISS, imported when it is first needed."""

from __future__ import annotations

import threading
from types import ModuleType

_this_thread = threading.local()


def faiss_library() -> ModuleType:
    """Import FAISS when it is first needed, and hold this thread to one thread of work.

    OpenMP's setting belongs to the calling thread; two runtimes at work slow both of them down
    (encoder from 18 to 7.5 steps a second, queries from 3.4 to 22.9 ms, measured).
    """
    import faiss

    if not getattr(_this_thread, "is_set", False):
        faiss.omp_set_num_threads(1)
        _this_thread.is_set = True
    return faiss
