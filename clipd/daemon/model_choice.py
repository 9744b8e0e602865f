"""Which model the daemon works with: the configured one, or one that it has vectors of."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from clipd.config.folders import Paths
from clipd.config.options import ModelConfig
from clipd.encode.models import homes, resolve
from clipd.encode.presets import preset_named
from clipd.errors import ModelError, ModelMissingError
from clipd.ingest.changeover import NextModel
from clipd.photo import ModelSpec, Preprocess
from clipd.store.catalog import Catalog

_log = logging.getLogger(__name__)
_NO_MODEL = 0  # SQLite gives ids from 1 on
_USUAL_DIM = 512


@dataclass(frozen=True, slots=True)
class ChosenModel:
    """A model as the catalog knows it, and whether it can make vectors."""

    id: int
    spec: ModelSpec
    absence: str = ""  # why it makes no vectors, and what to do; "" where it does
    following: NextModel | None = None  # the configured one, while its vectors are made


class ModelArrival:
    """Tells whether weights that are not here may have come. Cheap enough for every few seconds."""

    def __init__(self, config: ModelConfig, paths: Paths) -> None:
        """Note what is here; to be made before the model is looked for."""
        self._config = config
        self._folder = paths.models
        self._mark = self._look()

    def has_happened(self) -> bool:
        """Whether it is worth looking for the model again."""
        return self._look() != self._mark

    def _look(self) -> list[tuple[str, int, int]]:
        found = []
        for file in self._files():
            with suppress(OSError):
                stat = file.stat()
                found.append((str(file), stat.st_size, stat.st_mtime_ns))
        return found

    def _files(self) -> Iterator[Path]:
        if self._config.checkpoint is not None:
            yield self._config.checkpoint.expanduser()
            return
        for home in homes(self._config, self._folder):
            # What is still being fetched grows all the time, and is of no use yet.
            yield from (each for each in sorted(home.glob("*")) if ".part" not in each.suffixes)


def choose_model(
    catalog: Catalog,
    config: ModelConfig,
    paths: Paths,
    *,
    is_needed: bool,
    go_over_to: str = "",
    is_far: bool = False,
) -> ChosenModel:
    """Return the configured model, or another one as long as that is of more use.

    Where the configured one lacks vectors of photos that the one used last has, that stays in use
    until they are made. Without the weights of the configured one, that used last is returned
    as well: so a start without a model answers what its vectors know: searches made before,
    `similar`. To be called in a transaction.

    Args:
        catalog: notes which model is in use.
        config: the ``[model]`` table.
        paths: where models lie.
        is_needed: whether nothing else than the configured one will do.
        go_over_to: fingerprint of a model that is to be used now, whatever it lacks.
        is_far: another machine encodes, so that a model's description is enough.

    Raises:
        ModelMissingError: it is needed, and its weights are not here.
        ModelError: there is no such model, or it cannot be used.
    """
    now = int(time.time())
    try:
        spec = resolve(config, paths.models, paths.cache, is_far=is_far)
    except ModelMissingError as error:
        if is_needed:
            raise
        _log.error("%s", error)
        last = catalog.model_in_use()
        if last is None:
            return ChosenModel(_NO_MODEL, _placeholder(config.name), str(error))
        return ChosenModel(last.id, last.spec, str(error))
    if spec.fingerprint != go_over_to:
        former = _former_model(catalog, spec, paths, is_far)
        if former is not None:
            following = NextModel(catalog.prepare_model(spec, now), spec)
            if _has_more(catalog, former.id, following.id):
                return replace(former, following=following)
    return ChosenModel(catalog.use_model(spec, now, _as_text(config)), spec)


def _former_model(
    catalog: Catalog, wanted: ModelSpec, paths: Paths, is_far: bool
) -> ChosenModel | None:
    """Return the model used last, where that is another one whose weights are here."""
    last = catalog.model_in_use()
    if last is None or last.spec.fingerprint == wanted.fingerprint:
        return None
    try:
        spec = resolve(_from_text(last.meant), paths.models, paths.cache, is_far=is_far)
    except (ModelError, ValueError):
        return None
    return ChosenModel(last.id, spec) if spec.fingerprint == last.spec.fingerprint else None


def _has_more(catalog: Catalog, former: int, following: int) -> bool:
    return catalog.count_without_vector(former) < catalog.count_without_vector(following)


def _as_text(config: ModelConfig) -> str:
    checkpoint = str(config.checkpoint) if config.checkpoint else ""
    return json.dumps([config.name, config.pretrained, checkpoint])


def _from_text(meant: str) -> ModelConfig:
    """Return what `_as_text` wrote; ``ValueError`` where it is something else."""
    name, pretrained, checkpoint = map(str, json.loads(meant))
    return ModelConfig(
        name=name, pretrained=pretrained, checkpoint=Path(checkpoint) if checkpoint else None
    )


def _placeholder(name: str) -> ModelSpec:
    """Describe a model that nobody has seen yet, so that an empty index can stand for it."""
    preset = preset_named(name)
    dim = preset.dim if preset and preset.dim else _USUAL_DIM
    return ModelSpec(name, "", "", "", dim, Preprocess(side=224), "")
