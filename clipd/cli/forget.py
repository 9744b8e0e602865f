"""``clipd model forget``: through the daemon where it runs, else in the catalog itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing

from clipd.config.folders import Paths
from clipd.config.options import ModelConfig
from clipd.ctl.client import Client
from clipd.errors import NotRunningError
from clipd.json_types import JsonObject
from clipd.store.other_models import Forgotten, forgetting, models_to_forget


def forget(name: str | None, configured: ModelConfig, paths: Paths) -> Sequence[Forgotten]:
    """Drop the vectors of a model, or of all models that are not in use.

    Args:
        name: None: all that are not in use.
        configured: the model that counts as in use where no daemon runs.
        paths: whose catalog.

    Raises:
        ClipdError: there is no such model, it is in use, or the catalog cannot be had.
    """
    try:
        answer = Client(paths.socket).post("/v1/forget", _question(name), is_repeatable=False)
    except NotRunningError:
        return _forget_here(name, configured, paths)
    models = answer["forgotten"]
    assert isinstance(models, list)
    return [_read(model) for model in models]


def _question(name: str | None) -> JsonObject:
    return {"others": True} if name is None else {"model": name}


def _read(model: object) -> Forgotten:
    assert isinstance(model, dict)
    return Forgotten(str(model["model"]), int(model["photos"]))


def _forget_here(name: str | None, configured: ModelConfig, paths: Paths) -> Sequence[Forgotten]:
    from clipd.daemon.instance import single_instance
    from clipd.encode.models import resolve
    from clipd.store.backup import open_catalog

    paths.make()
    # Where its weights are not here, nobody can tell which vectors are its own: nothing is dropped.
    in_use = {resolve(configured, paths.models, paths.cache).fingerprint}
    # With the lock of a daemon, so that none starts meanwhile and becomes a second writer.
    with single_instance(paths.state / "lock"):
        catalog, _ = open_catalog(paths.state, time.time())
        with closing(catalog):
            if used := catalog.model_in_use():  # the next start may answer with it for a while
                in_use.add(used.spec.fingerprint)
            steps = forgetting(catalog, models_to_forget(catalog, name, in_use))
            return [step for step in steps if step is not None]
