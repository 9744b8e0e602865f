import shutil
import subprocess
from pathlib import Path

import pytest

from clipd.cli import unit

REPOSITORY = Path(__file__).parents[2]
SHIPPED = REPOSITORY / "systemd/clipd.service"

needs_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def verify(file: Path, home: Path) -> str:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", file],
        env={"HOME": str(home), "XDG_RUNTIME_DIR": str(home), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    # Unknown keys are printed, and leave the exit code 0: any word is a failure.
    return done.stdout + done.stderr


@needs_analyze
def test_systemd_has_nothing_to_say_about_the_unit(tmp_path: Path) -> None:
    assert verify(SHIPPED, tmp_path) == ""


@needs_analyze
@pytest.mark.parametrize("folder", ["plain", "a 100% é", "$HOME ${x}", "\"a\" 'b'", "back\\slash"])
def test_systemd_has_nothing_to_say_about_what_setup_installs(tmp_path: Path, folder: str) -> None:
    command = tmp_path / folder / "clipd"
    command.parent.mkdir()
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    environment = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "s t\\ate")}

    unit.install([str(command), "run"], isolated=False, environment=environment)

    installed = tmp_path / ".config/systemd/user/clipd.service"
    assert verify(installed, tmp_path) == ""
    assert not unit.install([str(command), "run"], isolated=False, environment=environment)


@needs_analyze
def test_the_check_of_the_unit_can_fail(tmp_path: Path) -> None:
    broken = tmp_path / "clipd.service"
    broken.write_text(SHIPPED.read_text().replace("OOMPolicy=", "OOMPolicies="))

    assert "OOMPolicies" in verify(broken, tmp_path)


def test_the_unit_in_the_package_is_the_one_in_the_repository() -> None:
    assert SHIPPED.read_text() == (REPOSITORY / "clipd/clipd.service").read_text()


def test_setup_changes_only_the_lines_that_depend_on_the_machine() -> None:
    shipped = SHIPPED.read_text().splitlines()

    installed = unit.unit_text(["/opt/bin/clipd", "run"], {"HOME": "/home/me"}).splitlines()

    changed = [new for old, new in zip(shipped, installed, strict=True) if old != new]
    assert changed == [
        "ExecStartPre=-+/usr/bin/env mkdir -p -m 700"
        " /home/me/.local/state/clipd /home/me/.cache/clipd /home/me/.local/share/clipd",
        "ExecStart=/opt/bin/clipd run",
        "ReadWritePaths=-/home/me/.local/state/clipd -/home/me/.cache/clipd"
        " -/home/me/.local/share/clipd",
    ]


def test_a_configuration_that_cannot_be_used_is_not_tried_again() -> None:
    lines = SHIPPED.read_text().splitlines()

    assert "RestartPreventExitStatus=2" in lines
    assert "Restart=on-failure" in lines
    # They hide the GPU from the encoder, or keep torch from working at all.
    for key in ("PrivateDevices", "ProtectClock", "DeviceAllow", "MemoryDenyWriteExecute"):
        assert not any(line.startswith(f"{key}=") for line in lines)


def test_the_drop_in_takes_back_every_line_that_needs_a_namespace(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path)}

    unit.install(["/opt/clipd", "run"], isolated=False, environment=environment)

    folder = tmp_path / ".config/systemd/user/clipd.service.d"
    (drop_in,) = folder.iterdir()
    taken_back = {
        line.partition("=")[0] for line in drop_in.read_text().splitlines() if "=" in line
    }
    asked = {line.partition("=")[0] for line in SHIPPED.read_text().splitlines() if "=" in line}
    prefixes = ("Private", "Protect", "ReadWrite", "ReadOnly", "Bind", "Inaccessible")
    assert taken_back == {key for key in asked if key.startswith(prefixes)}
