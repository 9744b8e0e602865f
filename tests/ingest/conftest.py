from __future__ import annotations

from tests.encode.conftest import cache, faults, pictures, small, spec

__all__ = ["cache", "faults", "pictures", "small", "spec"]  # fixtures
