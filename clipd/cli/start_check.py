"""What a start of clipd would meet beyond the text of its configuration: the model, the folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from clipd.config.folders import Paths
from clipd.config.options import Config, ModelConfig
from clipd.deadline import answer_within
from clipd.encode.models import resolve
from clipd.encode.presets import is_in_the_box
from clipd.errors import ModelMissingError

_DISK_SECONDS = 2.0  # for the disk of a root to list it


def start_hindrances(config: Config, paths: Paths) -> Iterator[str]:
    """Yield sentences about what clipd would wait for after a start.

    Args:
        config: read and in order.
        paths: where models lie.

    Raises:
        WrongModelError: there is no such model, or its checkpoint does not fit: clipd would end.
        ModelError: its checkpoint cannot be looked at.
    """
    yield from _about_model(config.model, paths, is_far=config.encoder.socket is not None)
    for root in config.roots:
        yield from _about_root(root.path)


def _about_model(model: ModelConfig, paths: Paths, *, is_far: bool) -> Iterator[str]:
    if is_in_the_box(model.name) and model.checkpoint is None:
        return  # comes with clipd; to resolve it would unpack it
    try:
        resolve(model, paths.models, paths.cache, is_far=is_far)
    except ModelMissingError as error:
        yield str(error)


def _about_root(root: Path) -> Iterator[str]:
    def look() -> None:
        with os.scandir(root) as entries:
            next(entries, None)

    try:
        answer_within(_DISK_SECONDS, look)
    except FileNotFoundError:
        yield f"{root} is not there now; clipd waits for it"
    except PermissionError:
        yield f"{root} cannot be read; give yourself the right to: chmod u+rx {root}"
    except TimeoutError:
        yield f"the disk of {root} does not answer now; clipd waits for it"
    except OSError as error:
        yield f"{root} cannot be read ({error.strerror}); clipd waits for it"
