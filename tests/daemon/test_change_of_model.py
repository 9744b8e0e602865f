"""`clipd model use` beside a daemon that works, and where none runs."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest

from clipd.encode.presets import IN_THE_BOX
from tests.daemon import album
from tests.daemon.conftest import Daemons
from tests.daemon.harness import Daemon
from tests.encode.conftest import save_model, small_weights

pytestmark = pytest.mark.slow


@pytest.fixture
def daemon(daemons: Daemons, tmp_path: Path) -> Daemon:
    """A daemon with a model of the user's own, in a configuration that the user commented."""
    for name in ("sunset.jpg", "cat.jpg"):
        album.save(tmp_path / "root" / name, album.picture(album.SEED[name]))
    made = daemons.new([tmp_path / "root"])
    checkpoint = save_model(tmp_path / "own", small_weights())
    made.file.write_text(
        f'# mine\n[model]\nname = "own"  # for now\ncheckpoint = "{checkpoint}"\n'
        f'[[roots]]\npath = "{tmp_path}/root"\n'
    )
    return made


def test_a_running_daemon_changes_to_the_model_and_back(daemon: Daemon) -> None:
    before = daemon.file.read_text()
    daemon.start().wait_idle()
    pid, own = daemon.pid, daemon.status()["model"]["fingerprint"]
    change = partial(daemon.clipd, "model", "use", f"--config={daemon.file}")

    done = change(IN_THE_BOX)

    assert done.returncode == 0, done.stderr
    said = done.stdout.decode()
    assert f"clipd (pid {pid}) makes its vectors now" in said
    assert "clipctl model switch --now" in said
    assert "kept for 30d (store.keep)" in said
    assert "clipctl status --wait" in said
    assert daemon.file.read_text() == "".join(
        line.replace('"own"', f'"{IN_THE_BOX}"')
        for line in before.splitlines(keepends=True)
        if not line.startswith("checkpoint")
    )
    assert daemon.wait_idle()["model"] | {"fingerprint": ""} == {
        **{"name": IN_THE_BOX, "dim": 384, "fingerprint": "", "photos": 2, "of": 2, "next": None}
    }
    again = change(IN_THE_BOX).stdout.decode()
    assert "uses it already" in again
    assert "encoded again" not in again

    daemon.file.write_text(before)
    daemon.reload()

    status = daemon.wait_idle()
    assert status["model"]["fingerprint"] == own
    assert (daemon.pid, status["encoded"]) == (pid, 0)


def test_a_daemon_with_another_configuration_is_not_said_to_have_changed(daemon: Daemon) -> None:
    other = daemon.home / "other.toml"
    shutil.copy(daemon.file, other)
    daemon.start().wait_idle()

    done = daemon.clipd("model", "use", IN_THE_BOX, f"--config={other}")

    assert done.returncode == 0, done.stderr
    assert f"runs with another configuration: {daemon.file}" in done.stdout.decode()
    assert "encoded again" not in done.stdout.decode()
    assert daemon.wait_idle()["model"]["name"] == "own"


def test_a_complaint_about_a_model_that_is_not_there_goes_with_the_change_back(
    daemon: Daemon,
) -> None:
    daemon.start().wait_idle()
    daemon.clipd("model", "use", IN_THE_BOX, f"--config={daemon.file}")
    daemon.wait_until(lambda: daemon.status()["model"]["name"] == IN_THE_BOX, what="it is used")
    daemon.wait_idle()
    good = daemon.file.read_text()
    daemon.file.write_text(good.replace(f'"{IN_THE_BOX}"', '"ViT-B-32-256"'))
    daemon.reload()
    daemon.wait_until(lambda: daemon.status()["problems"], what="a complaint")

    done = daemon.clipd("model", "use", IN_THE_BOX, f"--config={daemon.file}")

    assert "uses it already" in done.stdout.decode()
    daemon.wait_until(lambda: not daemon.status()["problems"], what="no problem is left")


def test_where_none_runs_the_next_start_uses_it(daemon: Daemon) -> None:
    done = daemon.clipd("model", "use", IN_THE_BOX, f"--config={daemon.file}")

    assert done.returncode == 0, done.stderr
    assert "clipd does not run" in done.stdout.decode()
    assert daemon.start().wait_idle()["model"]["name"] == IN_THE_BOX
