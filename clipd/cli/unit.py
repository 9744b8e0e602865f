"""The systemd user unit: its text for this machine, and the user's systemd."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from clipd.config.folders import BASE_FOLDERS, Paths, base_folder
from clipd.durable import write_durably
from clipd.errors import SetupError

UNIT = "clipd.service"
_NAMESPACED = ("PrivateUsers", "ProtectSystem", "ProtectHome", "PrivateTmp")
_DROP_IN = "50-no-namespaces.conf"
_NO_NAMESPACES = """\
# Written by `clipd setup`: this machine gives user services no namespaces of their own
# (some distributions forbid it), and with them clipd would not start. `clipd setup` tries again.
[Service]
PrivateUsers=no
ProtectSystem=no
ProtectHome=no
ReadWritePaths=
PrivateTmp=no
"""


def unit_text(command: Sequence[str], environment: Mapping[str, str] = os.environ) -> str:
    """Return the unit with this machine's command and folders in it.

    Folders that XDG variables move are written into it, because the user's systemd may not have
    the variables of the user's shell.
    """
    paths = Paths.of(environment)
    exec_start = "\n".join([f"ExecStart={_command(command)}", *_environment_lines(environment)])
    folders = [str(each) for each in (paths.state, paths.cache, paths.models.parent)]
    made = quoted_words(["/usr/bin/env", "mkdir", "-p", "-m", "700", *folders], dollars=True)
    writable = quoted_words([f"-{each}" for each in folders], dollars=False)
    text = resources.files("clipd").joinpath(UNIT).read_text()
    text = _with_line(text, "ExecStartPre", f"ExecStartPre=-+{made}")
    text = _with_line(text, "ExecStart", exec_start)
    return _with_line(text, "ReadWritePaths", f"ReadWritePaths={writable}")


def install(
    command: Sequence[str], *, isolated: bool, environment: Mapping[str, str] = os.environ
) -> bool:
    """Write the unit into the user's folder of units; return whether anything changed.

    Args:
        command: what starts clipd.
        isolated: whether this machine gives user services namespaces.
        environment: whose XDG variables count.

    Raises:
        OSError: a file cannot be written.
    """
    folder = base_folder("XDG_CONFIG_HOME", environment) / "systemd/user"
    drop_in = folder / f"{UNIT}.d" / _DROP_IN
    changed = write_unit(folder / UNIT, unit_text(command, environment))
    if not isolated:
        return write_unit(drop_in, _NO_NAMESPACES) or changed
    if drop_in.exists():
        drop_in.unlink()
        return True
    return changed


class UserManager:
    """The user's systemd, through ``systemctl --user``."""

    def is_there(self) -> bool:
        """Whether this user has a systemd that answers."""
        return self._run("systemctl", "--user", "show", "--property=Version").returncode == 0

    def gives_namespaces(self) -> bool:
        """Whether services may have a user namespace, which most of the hardening needs.

        Found by trying: distributions forbid it in several ways (AppArmor, a sysctl, a kernel
        without them), and a service that asks for what is forbidden does not start.
        """
        lines = unit_text(["true"]).splitlines()
        asked = [f"--property={each}" for each in lines if each.partition("=")[0] in _NAMESPACED]
        options = ["--user", "--wait", "--collect", "--quiet", *asked]
        tried = self._run("systemd-run", *options, "true")
        return tried.returncode == 0

    def is_active(self) -> bool:
        """Whether clipd runs."""
        return self._run("systemctl", "--user", "is-active", "--quiet", UNIT).returncode == 0

    def start(self) -> None:
        """Start clipd, also where systemd gave up on it; return when it is ready.

        Raises:
            SetupError: it does not start.
        """
        # Refused, without harm, where there is nothing to forget.
        self._run("systemctl", "--user", "reset-failed", UNIT)
        self.call("start", UNIT)

    def call(self, verb: str, *arguments: str) -> None:
        """Run ``systemctl --user VERB ...``.

        Raises:
            SetupError: systemctl says no; with its words.
        """
        done = self._run("systemctl", "--user", verb, *arguments)
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or ["no reason given"]
            raise SetupError(
                f"`systemctl --user {' '.join([verb, *arguments])}` failed: {said[0]}; "
                f"see: journalctl --user --unit={UNIT} --lines=30"
            )

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        environment = dict(os.environ)
        usual = f"/run/user/{os.getuid()}"
        if not environment.get("XDG_RUNTIME_DIR") and os.path.isdir(usual):
            environment["XDG_RUNTIME_DIR"] = usual  # `su` and `sudo -u` lose it
        try:
            return subprocess.run(
                command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
            )
        except FileNotFoundError:
            return subprocess.CompletedProcess(command, 127, "", f"{command[0]}: not found")


def _environment_lines(environment: Mapping[str, str]) -> list[str]:
    plain = {"HOME": environment["HOME"]} if environment.get("HOME") else {}
    return [
        f"Environment={_quoted(f'{name}={base_folder(name, environment)}', dollars=False)}"
        for name in BASE_FOLDERS
        if base_folder(name, environment) != base_folder(name, plain)
    ]


def _command(command: Sequence[str]) -> str:
    # systemd refuses quotes and $ in the program's own path, though not in its arguments.
    plain = re.fullmatch(r"[^\"'$\\]+", command[0])
    return quoted_words(command if plain else ["/usr/bin/env", *command], dollars=True)


def quoted_words(words: Sequence[str], *, dollars: bool) -> str:
    """Write words as systemd reads them, in a command line (`dollars`) or elsewhere."""
    return " ".join(_quoted(each, dollars=dollars) for each in words)


def _quoted(word: str, *, dollars: bool) -> str:
    # systemd.service(5): % is a specifier everywhere, $ a variable in command lines only.
    word = word.replace("%", "%%")
    if dollars:
        word = word.replace("$", "$$")
    if re.fullmatch(r"[\w@%+=:,./$-]+", word, re.ASCII):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _with_line(text: str, key: str, line: str) -> str:
    return re.sub(rf"^{key}=.*$", lambda _: line, text, count=1, flags=re.MULTILINE)


def write_unit(file: Path, text: str) -> bool:
    """Write a unit where it differs from what is there; return whether it did.

    Raises:
        OSError: it cannot be written.
    """
    if file.exists() and file.read_text() == text:
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    # systemd reads the unit with its own rights: it need not be private.
    write_durably(file, text.encode(), 0o644)
    return True
