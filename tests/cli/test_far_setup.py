from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from clipd.cli.far_setup import SERVICE_UNIT, SOCKET_UNIT, advice, ssh_to
from clipd.config.load import load_config
from clipd.encode.models import FAR_DESCRIPTION, slug
from tests.cli.test_setup import SYSTEMCTL, Home
from tests.cli.test_unit import needs_analyze, verify
from tests.encode.far_machine import THEIRS, FarMachine, give_model
from tests.encode.sshd import Sshd, needs_sshd


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    folder = tmp_path_factory.mktemp("desktop")
    sshd = Sshd(folder / "ssh", folder / "home")
    yield sshd
    sshd.stop()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A user whose systemctl does nothing and whose ssh knows the test's machine alone."""
    made = Home(tmp_path)
    made.log.mkdir()
    (tmp_path / "bin").mkdir()
    for name in ("systemctl", "systemd-run"):
        _install(tmp_path / "bin" / name, SYSTEMCTL)
    made.photos("Pictures")
    return made


@pytest.fixture
def runtime() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="clipd-") as folder:
        yield Path(folder)


def _install(script: Path, text: str) -> None:
    script.write_text(text)
    script.chmod(0o755)


def _use(home: Home, sshd: Sshd) -> None:
    ssh = shutil.which("ssh")
    config = sshd.folder / "ssh_config"
    _install(home.path / "bin/ssh", f'#!/bin/sh\nexec {ssh} -F {config} "$@"\n')


def _setup(home: Home, runtime: Path, *words: str) -> Result:
    return home.setup(*words, "Pictures", XDG_RUNTIME_DIR=str(runtime))


def _units(home: Home) -> tuple[Path, Path]:
    folder = home.unit.parent
    return folder / SOCKET_UNIT, folder / SERVICE_UNIT


@pytest.mark.slow
@needs_sshd
def test_each_thing_that_is_missing_is_told_and_changes_nothing(
    home: Home, runtime: Path, sshd: Sshd
) -> None:
    _use(home, sshd)

    def refusal(*words: str) -> str:
        done = _setup(home, runtime, "--encoder", *words)
        assert done.exit_code not in (0, 1, 2), done.stderr  # no bug, no misuse
        assert not home.config.exists()
        assert not any(unit.exists() for unit in _units(home))
        return done.stderr

    try:
        sshd.trust(key=False)
        assert "ssh-copy-id desktop" in refusal("desktop")
        sshd.trust(host=False)
        assert "ssh desktop true" in refusal("desktop")
        sshd.trust()
        sshd.have_clipd("")
        assert "there is no clipd on desktop" in refusal("desktop")
        sshd.have_clipd("sh -c 'echo \"Error: No such command encoder.\" >&2; exit 2'")
        assert "is an older one" in refusal("desktop")
        sshd.have_clipd('printf \'\\0clipd encoder 1 {"version": "0.0.9"}\\n\' #')
        assert "desktop has clipd 0.0.9, this is" in refusal("desktop")
        sshd.have_clipd(Sshd.CLIPD)
        assert "clipd model fetch ViT-B-32-256" in refusal("desktop")
        assert "nowhere cannot be reached: ssh: connect to host" in refusal("nowhere")
        assert "is no name of a machine" in refusal("-oProxyCommand=true")
        assert "is no name of a machine" in refusal("desktop; rm -rf x")
    finally:
        sshd.trust()
        sshd.have_clipd(Sshd.CLIPD)


@pytest.mark.slow
@needs_sshd
def test_setup_writes_the_units_and_the_description_of_a_model_that_is_only_there(
    home: Home, runtime: Path, sshd: Sshd
) -> None:
    _use(home, sshd)
    give_model(sshd.home / ".local/share/clipd/models")
    address = runtime / "clipd-encoder/desktop.sock"
    address.parent.mkdir()
    program, *words = ssh_to("me@desktop")
    config = sshd.folder / "ssh_config"

    with FarMachine(
        address.parent, sshd.home, [program, "-F", str(config), *words[:-2], "desktop", words[-1]]
    ):
        done = _setup(home, runtime, "--encoder", "desktop", "--model", THEIRS)

    assert done.exit_code == 0, done.stderr
    assert load_config(home.config).encoder.socket == address
    folder = home.path / ".local/share/clipd/models" / slug(THEIRS, "")
    assert [each.name for each in folder.iterdir()] == [FAR_DESCRIPTION]
    assert f"encoder  desktop: preparing {THEIRS} for this processor...\n" in done.stdout
    assert f"encoder  {THEIRS} by openvino on cpu" in done.stdout
    assert f"systemctl --user enable {SOCKET_UNIT}" in home.calls()
    socket_unit, service = (unit.read_text() for unit in _units(home))
    assert "ListenStream=%t/clipd-encoder/desktop.sock" in socket_unit
    assert "-T -oBatchMode=yes" in service
    assert "clipd encoder" in service

    before = [unit.stat().st_mtime_ns for unit in _units(home)]
    again = _setup(home, runtime, "--encoder", "desktop")
    assert again.exit_code == 0, again.stderr
    assert [unit.stat().st_mtime_ns for unit in _units(home)] == before


@needs_analyze
@needs_sshd
@pytest.mark.slow
def test_systemd_has_nothing_to_say_about_the_units(home: Home, runtime: Path, sshd: Sshd) -> None:
    _use(home, sshd)
    assert _setup(home, runtime, "--encoder", "desktop", "--model", "pocket").exit_code == 0

    socket_unit, service = _units(home)
    instance = service.with_name("clipd-encoder@1.service")
    shutil.copy(service, instance)
    assert verify(socket_unit, home.path) == ""
    assert verify(instance, home.path) == ""


@pytest.mark.parametrize(
    ("words", "advised"),
    [
        ("me@desktop: Permission denied (publickey).", "ssh-copy-id desktop"),
        ("Host key verification failed.", "ssh desktop true"),
        ("env: 'clipd': No such file or directory", "install it there"),
        ("bash: line 1: clipd: command not found", "install it there"),
        ("Error: No such command 'encoder'.", "an older one"),
        ("ssh: Could not resolve hostname desktop: Name or service not known", "be reached"),
        ("Connection timed out during banner exchange", "be reached"),
        ("Traceback", "desktop cannot encode: Traceback"),
    ],
)
def test_the_words_of_ssh_become_advice(words: str, advised: str) -> None:
    assert advised in advice("desktop", words)
