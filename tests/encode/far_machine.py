"""Another machine for tests: a socket whose connections become the streams of a command.

That is what a systemd socket unit with Accept=yes does: the command's errors, too, go to the
socket (StandardError=inherit), in front of what it says.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from clipd.config.options import ModelConfig
from clipd.encode.model_json import as_json, sha256_of
from clipd.encode.models import DESCRIPTION, resolve, slug
from clipd.encode.presets import IN_THE_BOX

THEIRS = "hf-hub:mine/photos"  # a model of which this machine has no weights
ENCODER = (sys.executable, "-P", "-m", "clipd", "encoder")


class FarMachine:
    """Starts a command for each connection to a socket.

    Args:
        folder: of the socket; short, for its path has 107 bytes.
        home: of the user on the other machine.
        command: what stands behind the socket; may be changed between connections.
        name: what the socket is called.
    """

    def __init__(
        self,
        folder: Path,
        home: Path,
        command: Sequence[str] = ENCODER,
        name: str = "desktop",
    ) -> None:
        self.command = tuple(command)
        self.address = folder / f"{name}.sock"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "CLIPD"))
        } | {"HOME": str(home)}
        self._listener: socket.socket | None = None
        self._thread = threading.Thread()
        self.switch_on()

    def switch_on(self) -> None:
        """Listen."""
        listener = self._listener = socket.socket(socket.AF_UNIX)
        listener.bind(os.fspath(self.address))
        listener.listen()
        self._thread = threading.Thread(target=self._accept, args=(listener,))
        self._thread.start()

    def switch_off(self) -> None:
        """Stop listening, and kill what runs."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)
            self._thread.join()
            listener.close()
            self.address.unlink()
        for process in self.processes:
            process.kill()
            process.wait()

    def running(self) -> list[subprocess.Popen[bytes]]:
        """Return the commands that have not ended."""
        return [each for each in self.processes if each.poll() is None]

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to the commands that run."""
        for process in self.running():
            process.send_signal(number)

    def __enter__(self) -> FarMachine:
        return self

    def __exit__(self, *error: object) -> None:
        self.signal_all(signal.SIGCONT)
        self.switch_off()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                self.processes.append(
                    subprocess.Popen(
                        self.command,
                        stdin=connection.fileno(),
                        stdout=connection.fileno(),
                        stderr=connection.fileno(),
                        env=self.environment,
                        cwd="/",
                    )
                )


def give_model(models: Path) -> None:
    """Put `THEIRS` there: the model in the box, by a name that nobody can resolve without files."""
    box = resolve(ModelConfig(name=IN_THE_BOX), models, models)
    home = models / slug(THEIRS, "")
    home.mkdir(parents=True)
    file = Path(box.checkpoint)
    for each in (file, file.with_suffix(".json")):
        if each.exists():
            shutil.copy(each, home / each.name)
    told = {
        **as_json(replace(box, name=THEIRS)),
        "file": file.name,
        "size_bytes": file.stat().st_size,
        "sha256": sha256_of(file),
    }
    (home / DESCRIPTION).write_text(json.dumps(told))
