"""A real sshd on loopback for tests, with keys of its own, all in one folder."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.encode.far_machine import ENCODER

SSHD = Path("/usr/sbin/sshd")
_SECONDS = 20.0


class Sshd:
    """An sshd, and the ``ssh`` that knows how to reach it as ``desktop``.

    Args:
        folder: for keys and configuration.
        home: HOME of what it starts.
        command: what ``clipd`` is there, as words for a shell.
    """

    CLIPD = " ".join(ENCODER[:-1])

    def __init__(self, folder: Path, home: Path, command: str = CLIPD) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.home = home
        for name in ("host", "mine"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True
            )
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.have_clipd(command)
        self._write_configs()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def have_clipd(self, command: str) -> None:
        """Put a program ``clipd`` where the remote command finds it; "" removes it."""
        script = self.home / ".local/bin/clipd"
        script.parent.mkdir(parents=True, exist_ok=True)
        script.unlink(missing_ok=True)
        if command:
            script.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
            script.chmod(0o755)

    def trust(self, *, key: bool = True, host: bool = True) -> None:
        """Let our key in, and have ssh know the host, or not."""
        (self.folder / "authorized_keys").write_text(
            (self.folder / "mine.pub").read_text() if key else ""
        )
        known = (self.folder / "host.pub").read_text()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {known}" if host else "")

    def start(self) -> None:
        """Start it and wait until it listens."""
        log = (self.folder / "sshd.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", self.folder / "sshd_config"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        ends = time.monotonic() + _SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                assert self._process.poll() is None, (self.folder / "sshd.log").read_text()
                assert time.monotonic() < ends, "sshd does not listen"
            else:
                return

    def stop(self) -> None:
        """Stop listening; connections stay, as with any sshd."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def ssh(self) -> list[str]:
        """Return an ssh that knows this sshd alone."""
        return ["ssh", "-F", os.fspath(self.folder / "ssh_config")]

    def _write_configs(self) -> None:
        folder = self.folder
        self.trust()
        (folder / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1:{self.port}\n"
            f"HostKey {folder}/host\n"
            f"AuthorizedKeysFile {folder}/authorized_keys\n"
            f"PidFile {folder}/sshd.pid\n"
            "StrictModes no\n"
            "UsePAM no\n"
            "PasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\n"
            "PermitRootLogin prohibit-password\n"
            f"SetEnv HOME={self.home}\n"
        )
        (folder / "ssh_config").write_text(
            "Host desktop\n"
            "  HostName 127.0.0.1\n"
            f"  Port {self.port}\n"
            f"  IdentityFile {folder}/mine\n"
            "  IdentitiesOnly yes\n"
            "  IdentityAgent none\n"
            f"  UserKnownHostsFile {folder}/known_hosts\n"
            "  GlobalKnownHostsFile /dev/null\n"
            "Host nowhere\n"
            "  HostName 127.0.0.1\n"
            "  Port 9\n"
            "Host *\n"
            "  ConnectTimeout 5\n"
        )


# As root it wants a folder that its package's service makes.
_IS_ABLE = SSHD.exists() and (os.geteuid() != 0 or Path("/run/sshd").is_dir())
needs_sshd = pytest.mark.skipif(
    not _IS_ABLE,
    reason="there is no sshd that can run: install openssh-server (as root: mkdir /run/sshd)",
)
