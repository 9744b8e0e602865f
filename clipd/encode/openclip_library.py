"""The open_clip package, without two libraries that it imports and hardly ever needs.

Of the 2.2 s that its import takes, torchvision spends .85 on torch's compiler, only to be able to
ask it later whether a box operation is being compiled, and timm .35 (2026-11-28, Zen 5, torch 2.14,
torchvision .29): two thirds of what is not torch itself. Nothing is compiled here, and few
architectures have a tower of timm's. In this room, import the library from here only.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType

_COMPILER = ("torch._dynamo", "torch._dynamo.utils")


def _no_compiler() -> dict[str, ModuleType | None]:
    package, questions = (ModuleType(name) for name in _COMPILER)
    questions.__dict__["is_compile_supported"] = lambda device: False
    return {package.__name__: package, questions.__name__: questions}


@contextmanager
def _in_place_of(modules: Mapping[str, ModuleType | None]) -> Iterator[None]:
    """Let imports find these modules for the length of the block; None: an import of it fails."""
    absent = {name: module for name, module in modules.items() if name not in sys.modules}
    sys.modules.update(absent)  # type: ignore[arg-type]  # None is what the import system takes
    try:
        yield
    finally:
        for name in absent:
            sys.modules.pop(name, None)


def _import_lightly() -> None:
    import torch  # noqa: F401  # first: it has its compiler to itself

    with _in_place_of(_no_compiler()):
        importlib.import_module("torchvision")
    with _in_place_of({"timm": None}):
        importlib.import_module("open_clip")


try:
    _import_lightly()
except (ImportError, AttributeError):  # another version asks the compiler for more: as it wants
    sys.modules.pop("torchvision", None)

import open_clip  # noqa: E402


def bring_in_timm() -> None:
    """Let open_clip build towers of timm's, if that is installed."""
    adapter = importlib.import_module("open_clip.timm_model")
    if adapter.timm is None:
        # Run anew in the same module, so that the classes that others took from it see timm.
        importlib.reload(adapter)


__all__ = ["bring_in_timm", "open_clip"]
