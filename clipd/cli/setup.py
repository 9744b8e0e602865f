"""``clipd setup``: from nothing to a running service; run again, it changes only what differs."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from clipd.cli.unit import UNIT, UserManager, install
from clipd.config.edit import with_model, with_root, with_text
from clipd.config.folders import Paths, make_private
from clipd.config.load import load_config, parse_config, read_config
from clipd.config.options import Config, EncoderConfig, ModelConfig, RootConfig
from clipd.config.render import fresh_text
from clipd.durable import write_durably
from clipd.encode.presets import IN_THE_BOX, is_in_the_box, preset_named
from clipd.errors import HubError, SetupError

Say = Callable[[str], None]
Confirm = Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupRequest:
    """What the user asks setup for."""

    folders: tuple[Path, ...] = ()
    config_file: Path | None = None  # None: the user's, at its XDG place
    model: str = ""  # "": what the configuration says
    with_model: bool = True
    with_service: bool = True
    encoder_socket: Path | None = None  # behind which another machine encodes; None: as it is

    @property
    def file(self) -> Path:
        """The configuration file that is meant."""
        return self.config_file or Paths.of().config


def set_up(
    request: SetupRequest,
    fetch: Callable[[ModelConfig], str],
    say: Say,
    confirm: Confirm | None,
) -> None:
    """Do all of it: configuration, folders, model, service, and what to type next.

    Args:
        request: what the user asks for.
        fetch: gets the weights when they are not here; returns what it did.
        say: shows a line.
        confirm: asks a question; None: there is nobody to ask.

    Raises:
        WrongModelError: there is no model of the name that is asked for; nothing is changed.
        ClipdError: a step failed; those before it stay done, and setup can be run again.
    """
    request = _with_known_model(request)
    if request.model and request.with_model and request.file.exists():
        # First, because a model that cannot be had must not take the place of one that works.
        request = _get_model(request, ModelConfig(name=request.model), fetch, say, confirm)
        is_changed = write_config(request, say)
    else:
        is_changed = write_config(request, say)
        if request.with_model:
            wanted = load_config(request.file).model
            request = _get_model(request, wanted, fetch, say, confirm)
            if request.model not in ("", wanted.name):
                is_changed |= write_config(request, say)
    Paths.of().make()
    is_running = request.with_service and start_service(request, UserManager(), is_changed, say)
    _say_what_next(is_running, request, say)


def write_config(request: SetupRequest, say: Say) -> bool:
    """Write or complete the configuration; return whether it changed.

    Raises:
        ClipdError: what is asked cannot be, or the file cannot be written.
    """
    file = request.file
    old = read_config(file) if file.exists() else None
    new = _first_text(request) if old is None else _edited(old, request, say)
    parse_config(new, file)
    return write_config_text(file, old, new, say)


def write_config_text(file: Path, old: str | None, new: str, say: Say) -> bool:
    """Write a configuration where it differs from what it was; return whether it did.

    Args:
        file: the configuration.
        old: its text; None: it is not there.
        new: what it is to be; valid.
        say: shows a line.

    Raises:
        ClipdError: it cannot be written.
    """
    if new == old:
        say(f"config   {file}: unchanged")
        return False
    make_private(file.parent)
    try:
        write_durably(file, new.encode())
    except OSError as error:
        raise SetupError(f"cannot write {file}: {error.strerror}") from error
    say(f"config   {file}: {'written' if old is None else 'changed'}")
    return True


def start_service(
    request: SetupRequest, manager: UserManager, is_config_changed: bool, say: Say
) -> bool:
    """Install, enable and start the user unit, or reload it; return whether clipd runs.

    Raises:
        SetupError: the unit cannot be written, or systemd could not start clipd.
    """
    if not manager.is_there():
        say("service  not installed: no systemd answers for this user")
        return False
    isolated = manager.gives_namespaces()
    if not isolated:
        say("service  this machine gives services no namespaces: with less hardening")
    try:
        is_unit_changed = install(command_line(request.config_file), isolated=isolated)
    except OSError as error:
        raise SetupError(
            f"cannot write the user unit {error.filename}: {error.strerror}"
        ) from error
    if is_unit_changed:
        manager.call("daemon-reload")
    manager.call("enable", UNIT)
    say(f"service  {UNIT}: {_start_or_reload(manager, is_unit_changed, is_config_changed)}")
    return True


def command_line(config_file: Path | None) -> list[str]:
    """Return the command that starts the clipd that runs now, wherever it is installed."""
    script = Path(sys.executable).with_name("clipd")
    start = [str(script)] if os.access(script, os.X_OK) else [sys.executable, "-P", "-m", "clipd"]
    chosen = ["--config", str(config_file.absolute())] if config_file else []
    return [*start, "run", *chosen]


def suggested_folder() -> Path:
    """Return the user's picture folder, by xdg-user-dirs where it is set."""
    try:
        lines = (Paths.of().config.parents[1] / "user-dirs.dirs").read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    for line in lines:
        name, _, value = line.partition("=")
        if name.strip() == "XDG_PICTURES_DIR":
            return Path(value.strip().strip('"').replace("$HOME", str(Path.home())))
    return Path.home() / "Pictures"


def _with_known_model(request: SetupRequest) -> SetupRequest:
    """Check that there is the model that is asked for; write its name as it is listed."""
    if not request.model:
        return request
    # Here, because it brings numpy along.
    from clipd.encode.models import insist_on_known

    insist_on_known(ModelConfig(name=request.model), Paths.of().cache)
    preset = preset_named(request.model)
    return replace(request, model=preset.name) if preset else request


def _get_model(
    request: SetupRequest,
    wanted: ModelConfig,
    fetch: Callable[[ModelConfig], str],
    say: Say,
    confirm: Confirm | None,
) -> SetupRequest:
    """Get a model, or offer the one in the box; return the request, with that one where taken."""
    try:
        say(f"model    {fetch(wanted)}")
    except HubError as error:
        if confirm is None:
            folders = "".join(f" {shlex.quote(str(each))}" for each in request.folders)
            raise SetupError(
                f"{error.reason}: set HTTPS_PROXY if this network has a proxy, or fetch the "
                "weights on another machine and set model.checkpoint to the file, or go on with "
                f"the model in the box: clipd setup --offline{folders}"
            ) from error
        say(f"model    {error.reason}")
        if not confirm(f"Go on with the model that comes with clipd, {IN_THE_BOX}?"):
            raise SetupError("the model is missing; run setup again when there is a network") from (
                error
            )
        say(f"model    {fetch(ModelConfig(name=IN_THE_BOX))}")
        return replace(request, model=IN_THE_BOX)
    return request


def _start_or_reload(manager: UserManager, is_unit_changed: bool, is_config_changed: bool) -> str:
    if not manager.is_active():
        manager.start()
        return "installed and started" if is_unit_changed else "started"
    if is_unit_changed:
        manager.call("restart", UNIT)
        return "changed and started again"
    if is_config_changed:
        manager.call("reload", UNIT)
        return "reads the changed configuration"
    return "runs"


def _first_text(request: SetupRequest) -> str:
    if not request.folders:
        raise SetupError("which folders? for example: clipd setup ~/Pictures")
    roots = tuple(RootConfig(path=Path(_root_text(each))) for each in request.folders)
    model = ModelConfig(name=request.model) if request.model else ModelConfig()
    encoder = EncoderConfig(socket=request.encoder_socket)
    return fresh_text(Config(roots=roots, model=model, encoder=encoder))


def _edited(old: str, request: SetupRequest, say: Say) -> str:
    config = parse_config(old, request.file)
    text = old
    for folder in request.folders:
        path = _root_text(folder)
        above = _root_above(folder, config.roots)
        if above is None:
            text = with_root(text, path)
            config = parse_config(text, request.file)
        elif above.resolve() != folder.resolve():
            say(f"config   {folder} is watched already, as part of {above}")
    if request.model and request.model != config.model.name:
        text = with_model(text, request.model)
    if request.encoder_socket not in (None, config.encoder.socket):
        text = with_text(text, "encoder", "socket", str(request.encoder_socket))
    return text


def _root_above(folder: Path, roots: Sequence[RootConfig]) -> Path | None:
    real = folder.resolve()
    return next((root.path for root in roots if real.is_relative_to(root.path.resolve())), None)


def _root_text(folder: Path) -> str:
    """Check a folder and return how it is written in the configuration: absolute."""
    if not folder.expanduser().is_dir():
        raise SetupError(f"there is no folder {folder}; name the folder that holds your photos")
    path = os.path.abspath(folder.expanduser())
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise SetupError(
            f"the name of {path!r} is not UTF-8, so a TOML file cannot hold it; "
            "name the folder above it"
        ) from error
    return path


def _say_what_next(is_running: bool, request: SetupRequest, say: Say) -> None:
    default = ModelConfig().name
    if is_in_the_box(load_config(request.file).model.name) and not is_in_the_box(default):
        say(f"With a network, to change to the default:    clipd model use {default}")
    say("")
    if is_running:
        say("Your photos are being read now. Watch it:    clipctl status --wait")
        say('Then search:                                 clipctl search "sunset"')
        say("Also while you are logged out:               loginctl enable-linger")
        return
    option = f" --config {request.config_file}" if request.config_file else ""
    say(f"Start clipd, for example at login:           clipd run{option}")
    say('Then, in another terminal:                   clipctl search "sunset"')
