"""``clipd setup --encoder HOST``: the units that reach another machine, tried before they stay."""

from __future__ import annotations

import re
import shlex
import shutil
import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from clipd.cli.far_model import described_over, keep_description
from clipd.cli.setup import Confirm, Say, SetupRequest, set_up
from clipd.cli.unit import UserManager, quoted_words, write_unit
from clipd.config.folders import Paths, base_folder
from clipd.config.load import load_config
from clipd.config.options import EncoderConfig, ModelConfig
from clipd.config.socketpath import is_too_long, runtime_folder
from clipd.errors import (
    EncodeError,
    EncoderAwayError,
    EncoderRefusedError,
    ModelError,
    SetupError,
)
from clipd.json_types import JsonObject

if TYPE_CHECKING:
    from clipd.encode.handle import EncoderStatus

SOCKET_UNIT, SERVICE_UNIT = "clipd-encoder.socket", "clipd-encoder@.service"
# The folder is not clipd's own, which systemd removes whenever clipd stops (RuntimeDirectory=).
_FOLDER = "clipd-encoder"
# A user, and a name from ~/.ssh/config or the network; no option, no port, no shell's words.
_HOST = re.compile(r"(?:[A-Za-z0-9_][\w.-]*@)?(?P<name>[A-Za-z0-9][\w.-]*)", re.ASCII)
_OPTIONS = (
    "BatchMode=yes",  # nobody is there to answer a question
    "ConnectTimeout=5",
    "ServerAliveInterval=5",  # so that a machine that fell asleep is noticed
    "ServerAliveCountMax=3",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "ControlPath=none",  # the connection is this process, and ends with it
    "PermitLocalCommand=no",
    "LogLevel=ERROR",
)
# pipx puts clipd where only login shells look. In the words of every shell that a user may have.
_REMOTE = 'env PATH="$HOME/.local/bin:$PATH" clipd encoder'
_TRY_SECONDS = 30.0
_TELL_SECONDS = 1.0
_SOCKET = """\
# Written by `clipd setup --encoder {host}`: clipd hands its pixels to this socket, since it has no
# network itself. Nothing but this user's processes can open it.
[Unit]
Description=clipd's encoder on {host}

[Socket]
ListenStream=%t/{folder}/{name}.sock
DirectoryMode=0700
SocketMode=0600
RemoveOnStop=yes
Accept=yes
# One for each model in use. Others that linger belong to a machine that hangs.
MaxConnections=16

[Install]
WantedBy=sockets.target
"""
_SERVICE = """\
# Written by `clipd setup --encoder {host}`: one of these for each connection to {socket}.
[Unit]
Description=clipd's encoder on {host}
CollectMode=inactive-or-failed

[Service]
# "-": that the other machine is off is no failure of this one.
ExecStart=-{command}
StandardInput=socket
StandardOutput=socket
# Where ssh says why it cannot connect: clipd reads it, and shows it in its status.
StandardError=inherit
TimeoutStopSec=5
NoNewPrivileges=yes
"""


def set_up_far_encoder(
    host: str,
    request: SetupRequest,
    fetch: Callable[[ModelConfig], str],
    say: Say,
    confirm: Confirm | None,
) -> None:
    """Set clipd up with another machine that encodes; nothing is changed where it cannot.

    Args:
        host: as ssh takes it: ``desktop``, ``me@desktop.local``.
        request: what else the user asks for.
        fetch: as in `set_up`.
        say: shows a line.
        confirm: as in `set_up`.

    Raises:
        SetupError: the machine cannot be used; the message says what is missing there.
        ClipdError: another step failed.
    """
    name = _name_of(host)
    address = runtime_folder() / _FOLDER / f"{name}.sock"
    if is_too_long(address):
        raise SetupError(
            f"{address} is too long for a socket; give {host} a short name: ssh_config(5)"
        )
    wanted = _model(request)
    _try(host, name, wanted, say)
    manager = UserManager()
    if not request.with_service or not manager.is_there():
        command = shlex.join(ssh_to(host))
        say(f"encoder  nothing starts it here: have {address} answered by: {command}")
    else:
        _start_units(host, name, manager, say)
        _try_units(address, wanted, say)
    with_weights = request.with_model and wanted.checkpoint is not None
    set_up(replace(request, encoder_socket=address, with_model=with_weights), fetch, say, confirm)


def ssh_to(host: str) -> list[str]:
    """Return the command whose streams are those of an encoder on another machine."""
    program = shutil.which("ssh")
    if program is None:
        raise SetupError("there is no ssh here; install it (openssh-client), and run setup again")
    options = [f"-o{each}" for each in _OPTIONS]
    return [program, "-T", *options, host, _REMOTE]


def advice(host: str, words: str) -> str:
    """Turn the words of ssh, or of a shell on the other machine, into what to do.

    Args:
        host: as the user wrote it.
        words: the last line that came.
    """
    words = words.rstrip(".")
    if "Permission denied" in words:
        return (
            f"{host} lets nobody in without a question ({words}); give it a key of this user that "
            f"needs no passphrase: ssh-keygen -t ed25519, then: ssh-copy-id {host}"
        )
    if "Host key verification failed" in words:
        return f"{host} is not known to ssh here; look at its key once: ssh {host} true"
    if "No such command" in words:
        return f"the clipd on {host} is an older one ({words}); install the same version there"
    if "not found" in words or "No such file" in words:
        return f"there is no clipd on {host} ({words}); install it there as you did here"
    if words.startswith(("ssh:", "Connection ", "kex_exchange")):
        return f"{host} cannot be reached: {words}"
    return f"{host} cannot encode: {words}"


def _name_of(host: str) -> str:
    match = _HOST.fullmatch(host)
    if match is None:
        raise SetupError(
            f"{host!r} is no name of a machine; write it as for ssh, such as me@desktop.local; "
            "a port or a key belongs into ~/.ssh/config, below `Host NAME`"
        )
    return match["name"]


def _model(request: SetupRequest) -> ModelConfig:
    if request.model:
        return ModelConfig(name=request.model)
    return load_config(request.file).model if request.file.exists() else ModelConfig()


def _try(host: str, name: str, wanted: ModelConfig, say: Say) -> None:
    """Connect by ssh, once; have the other machine describe the model.

    Raises:
        SetupError: something is missing there, or on the way.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            ssh_to(host), stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=theirs.fileno()
        )
    try:
        told = _described(ours, name, wanted)
    except EncoderRefusedError as error:
        raise SetupError(str(error)) from error
    except EncoderAwayError as error:
        raise SetupError(advice(host, str(error))) from error
    finally:
        ours.close()
        process.terminate()
        process.wait()
    say(f"encoder  {host} answers, with the same clipd")
    if told is not None:
        say(f"model    {keep_description(wanted, told, host)}")


def _described(sock: socket.socket, name: str, wanted: ModelConfig) -> JsonObject | None:
    """Have the other machine describe a model; None for a file of the user's, which is here.

    Raises:
        EncoderAwayError: it does not answer, or has another clipd, or not the model.
    """
    # Here, because they bring numpy along.
    from clipd.encode.far import insist_on_version
    from clipd.encode.greeting import await_greeting

    greeting = await_greeting(sock, _TRY_SECONDS, lambda: True)
    if wanted.checkpoint is not None:
        insist_on_version(greeting, name)
        return None
    return described_over(sock, greeting, name, wanted)


def _start_units(host: str, name: str, manager: UserManager, say: Say) -> None:
    """Write, enable and start the units.

    Raises:
        SetupError: they cannot be written, or systemd says no.
    """
    folder = base_folder("XDG_CONFIG_HOME") / "systemd/user"
    command = quoted_words(ssh_to(host), dollars=True)
    texts = {
        SOCKET_UNIT: _SOCKET.format(host=host, name=name, folder=_FOLDER),
        SERVICE_UNIT: _SERVICE.format(host=host, command=command, socket=f"{name}.sock"),
    }
    try:
        changed = [write_unit(folder / file, text) for file, text in texts.items()]
    except OSError as error:
        raise SetupError(
            f"cannot write the user unit {error.filename}: {error.strerror}"
        ) from error
    if any(changed):
        manager.call("daemon-reload")
    manager.call("enable", SOCKET_UNIT)
    manager.call("restart" if any(changed) else "start", SOCKET_UNIT)
    say(f"service  {SOCKET_UNIT}: {'installed and started' if any(changed) else 'runs'}")


def _tell_meanwhile(start: Future[None], status: Callable[[], EncoderStatus], say: Say) -> None:
    """Wait for a start, and say what it is at: a large model takes the other machine minutes."""
    told = ""
    while not wait([start], _TELL_SECONDS).done:
        now = status()
        if now.doing not in ("", told):
            say(f"encoder  {now.far}: {now.doing}...")
            told = now.doing
    start.result()


def _try_units(address: Path, wanted: ModelConfig, say: Say) -> None:
    """Have one text encoded through the socket, as clipd will, and say what computes it there.

    What fails here is told and no more: the other machine may go to sleep at any time.
    """
    from clipd.encode.handle import Encoder
    from clipd.encode.models import resolve

    paths = Paths.of()
    try:
        spec = resolve(wanted, paths.models, paths.cache, is_far=True)
        # The encoder is closed first, which ends a wait that Ctrl-C breaks off.
        with (
            ThreadPoolExecutor(1) as thread,
            Encoder(spec, EncoderConfig(socket=address), paths.cache) as encoder,
        ):
            _tell_meanwhile(thread.submit(encoder.wake), encoder.status, say)
            now = encoder.status()
    except (EncodeError, ModelError) as error:
        say(f"encoder  {error}")
    else:
        say(f"encoder  {now.model} by {now.runtime} on {now.device}, {now.precision}")
