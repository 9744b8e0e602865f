"""The photo library as the catalog and the disks have it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipd.watch.roots import Roots
from clipd.watch.rules import Rules

if TYPE_CHECKING:
    from clipd.store.reader import CatalogReader


@dataclass(frozen=True, slots=True)
class PhotoLibrary:
    """Where photos are looked for, and what is known of them. For any thread."""

    roots: Roots
    rules: Rules  # what is ignored below the roots
    reader: CatalogReader
