"""``clipd model use``: another model in the configuration, and in a clipd that runs."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from clipd.cli.setup import Say, write_config_text
from clipd.config.edit import with_model
from clipd.config.folders import Paths
from clipd.config.load import parse_config, read_config
from clipd.config.options import Config, ModelConfig
from clipd.config.units import write_duration
from clipd.ctl.client import Client
from clipd.ctl.service_advice import how_to_start
from clipd.ctl.waiting import next_model
from clipd.daemon.instance import lock_holder
from clipd.encode.models import insist_on_known, resolve
from clipd.encode.presets import preset_named
from clipd.errors import FetchError, NotRunningError, RequestError
from clipd.json_types import JsonObject
from clipd.pathtext import shown

_TAKE_OVER_SECONDS = 60.0  # to end the work at hand and to load or build another index
_LOOK_EVERY_SECONDS = 0.1


def change_model(
    wanted: ModelConfig, file: Path, fetch: Callable[[ModelConfig], str], say: Say
) -> None:
    """Do all of it, and say what comes next.

    Args:
        wanted: the model, by name and, where that is an architecture, the tag of its weights.
        file: the configuration.
        fetch: gets the model when it is not here; returns what it did.
        say: shows a line.

    Raises:
        ConfigError: there is no configuration, or it is wrong.
        WrongModelError: there is no such model.
        ClipdError: the model cannot be fetched, or the file cannot be written. Nothing is changed.
    """
    paths = Paths.of()
    wanted = _as_listed(wanted)
    old = read_config(file)
    parse_config(old, file)
    insist_on_known(wanted, paths.cache)
    new = with_model(old, wanted.name, wanted.pretrained)
    after = parse_config(new, file)
    try:
        say(f"model    {fetch(wanted)}")
    except FetchError as error:
        raise FetchError(f"{error}. {file} is unchanged") from error
    write_config_text(file, old, new, say)
    try:
        has_gone_over = take_over(after, file, paths, say)
    except NotRunningError:
        say(f"service  clipd does not run, and will use it when it does; {how_to_start()}")
        return
    if has_gone_over:
        _say_what_next(after, say)


def take_over(config: Config, file: Path, paths: Paths, say: Say) -> bool:
    """Have a running clipd read its configuration again; return whether it goes over to the model.

    Args:
        config: whose model is here: its weights, or its description where another machine encodes.
        file: the configuration as it lies there.
        paths: whose clipd.
        say: shows a line: what came of it.

    Raises:
        NotRunningError: no clipd runs.
    """
    is_far = config.encoder.socket is not None
    fingerprint = resolve(config.model, paths.models, paths.cache, is_far=is_far).fingerprint
    client = Client(paths.socket)
    status = client.get("/v1/status")
    pid = status.get("pid")
    if not _is_same_file(str(status.get("config")), file):
        say(f"service  clipd (pid {pid}) runs with another configuration: {status.get('config')}")
        return False
    # The socket may lead to another machine: only the holder of our own lock is sent a signal.
    if lock_holder(paths.state / "lock") != str(pid):
        say(f"service  pid {pid} may be on another machine; type there: kill -HUP {pid}")
        return False
    # Also where it uses the model: it may show a complaint about a configuration in between.
    os.kill(int(str(pid)), signal.SIGHUP)
    if _uses(status, fingerprint):
        say(f"service  clipd (pid {pid}) uses it already")
        return False
    if _prepares(status, fingerprint):
        say(f"service  clipd (pid {pid}) makes its vectors already; see: clipctl model switch")
        return False
    return _is_taken_over(client, fingerprint, say)


def _is_taken_over(client: Client, fingerprint: str, say: Say) -> bool:
    deadline = time.monotonic() + _TAKE_OVER_SECONDS
    pause = threading.Event()
    while time.monotonic() < deadline:
        try:
            status = client.get("/v1/status")
        except (NotRunningError, RequestError):
            status = {}  # it is starting anew just now
        if _uses(status, fingerprint):
            say(f"service  clipd (pid {status.get('pid')}) uses it now")
            return True
        if _prepares(status, fingerprint):
            say(f"service  clipd (pid {status.get('pid')}) makes its vectors now")
            return True
        pause.wait(_LOOK_EVERY_SECONDS)
    say("service  clipd was told, but does not use it yet; see: clipctl status")
    return False


def _is_same_file(shown_path: str, file: Path) -> bool:
    if shown_path == shown(os.fsencode(file.absolute())):
        return True
    with suppress(OSError):
        return os.path.samefile(shown_path, file)
    return False


def _uses(status: JsonObject, fingerprint: str) -> bool:
    model, encoder = status.get("model"), status.get("encoder")
    if not isinstance(model, dict) or not isinstance(encoder, dict):
        return False
    # Without weights it answers from the vectors of the last model, which may be this one.
    return model.get("fingerprint") == fingerprint and encoder.get("state") != "absent"


def _prepares(status: JsonObject, fingerprint: str) -> bool:
    following = next_model(status)
    return following is not None and following.get("fingerprint") == fingerprint


def _as_listed(wanted: ModelConfig) -> ModelConfig:
    """Return a model with its name as `clipd model list` writes it."""
    preset = preset_named(wanted.name)
    return replace(wanted, name=preset.name) if preset else wanted


def _say_what_next(config: Config, say: Say) -> None:
    say("")
    say("Your photos are encoded again now. Watch it:  clipctl status --wait")
    say("Searches go on with the former model until all photos are. To go over sooner:")
    say("                                             clipctl model switch --now")
    say(
        f"Vectors of other models are kept for {write_duration(config.store.keep)} (store.keep): "
        "a change back costs nothing until then."
    )
    say("To drop them sooner:                          clipd model forget --others")
