import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from clipd.config.load import load_config
from clipd.encode.presets import IN_THE_BOX
from tests.cli.program import REPOSITORY, clipd, config_of


def test_the_effective_configuration_is_printed_as_toml(tmp_path: Path) -> None:
    file = config_of(tmp_path, '[watch]\nsettle = "1s"\n[[roots]]\npath = "~/Pictures"\n')

    shown = clipd(tmp_path, "config", "show")

    assert shown.returncode == 0, shown.stderr
    assert tomllib.loads(shown.stdout)["watch"]["settle"] == "1s"
    assert tomllib.loads(shown.stdout)["roots"][0]["path"] == str(tmp_path / "Pictures")
    other = tmp_path / "other.toml"
    other.write_text(shown.stdout)
    assert clipd(tmp_path, "config", "show", "--config", str(other)).stdout == shown.stdout
    assert file.read_text().startswith('[watch]\nsettle = "1s"')


def test_a_good_configuration_is_in_order_and_an_absent_root_is_mentioned(tmp_path: Path) -> None:
    file = config_of(tmp_path, '[[roots]]\npath = "~/Pictures"\n')

    checked = clipd(tmp_path, "config", "check")

    assert checked.returncode == 0
    assert checked.stdout == f"{file}: in order, 1 root\n"
    assert f"{tmp_path}/Pictures is not there now" in checked.stderr


def test_a_check_names_the_command_that_fetches_the_model(tmp_path: Path) -> None:
    (tmp_path / "Pictures").mkdir()
    file = config_of(tmp_path, '[[roots]]\npath = "~/Pictures"\n')

    lacking = clipd(tmp_path, "config", "check")
    file.write_text(f'model.name = "{IN_THE_BOX}"\n{file.read_text()}')
    whole = clipd(tmp_path, "config", "check")

    assert lacking.returncode == whole.returncode == 0
    assert lacking.stderr.count("\n") == 1
    assert "ViT-B-32-256 is not on this machine" in lacking.stderr
    assert "`clipd model fetch`" in lacking.stderr
    assert whole.stderr == ""
    assert not (tmp_path / ".local").exists()


def test_a_check_tells_of_a_folder_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "Pictures").mkdir(mode=0o300)
    config_of(tmp_path, f'[[roots]]\npath = "~/Pictures"\n[model]\nname = "{IN_THE_BOX}"\n')

    as_anyone = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    prefix = as_anyone if os.geteuid() == 0 else []  # or root might read everything
    checked = clipd(tmp_path, "config", "check", prefix=prefix)

    assert checked.returncode == 0
    assert f"chmod u+rx {tmp_path}/Pictures" in checked.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[model]\nname = "ViT-B-32-265"', "did you mean 'ViT-B-32-256'"),
        ('[model]\nname = "ViT-B-32"\npretrained = "openal"', "did you mean 'openai'"),
        ('[model]\nname = "ViT-B-32"\ncheckpoint = "~/none.pt"', ""),
        ('[model]\nname = "ViT-B-32"\ncheckpoint = "~/noise.pt"', "noise.pt"),
        ('[watch]\nsetle = "1s"', "setle"),
        ('[[roots]]\npath = "~/noise.pt"', "is a file"),
    ],
)
def test_what_a_check_refuses_a_start_refuses_with_the_same_words_and_2(
    tmp_path: Path, text: str, complaint: str
) -> None:
    (tmp_path / "Pictures").mkdir()
    (tmp_path / "noise.pt").write_bytes(bytes(range(256)) * 9)
    config_of(tmp_path, f'[[roots]]\npath = "~/Pictures"\n{text}\n')

    check = clipd(tmp_path, "config", "check")
    if not complaint:
        assert check.returncode == 0
        assert "there is no such file" in check.stderr
        return
    run = clipd(tmp_path, "run", XDG_RUNTIME_DIR=str(tmp_path))

    assert (check.returncode, run.returncode) == (2, 2)
    assert complaint in check.stderr
    assert check.stderr.splitlines()[-1] == run.stderr.splitlines()[-1]


@pytest.mark.parametrize("command", [("config", "check"), ("config", "show")])
def test_a_wrong_configuration_is_one_line_and_exit_code_2(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    file = config_of(tmp_path, '[[roots]]\npath = "~/Pictures"\n[watch]\nsetle = "1s"\n')

    failed = clipd(tmp_path, *command)

    assert failed.returncode == 2
    assert failed.stdout == ""
    assert failed.stderr.startswith(f"clipd: {file}, line 4: watch.setle is not a key")
    assert failed.stderr.count("\n") == 1


def test_without_a_configuration_the_next_command_is_named(tmp_path: Path) -> None:
    failed = clipd(tmp_path, "config", "check")

    assert failed.returncode == 2
    assert "clipd setup ~/Pictures" in failed.stderr


def test_a_configuration_is_checked_without_importing_what_is_heavy(tmp_path: Path) -> None:
    config_of(tmp_path, '[[roots]]\npath = "~/Pictures"\n')
    program = (
        "import sys, clipd.cli.command\n"
        "clipd.cli.command.main(['config', 'check'], standalone_mode=False)\n"
        "print(sorted({'torch', 'faiss', 'PIL', 'sqlite_utils', 'starlette'}"
        " & set(sys.modules)))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_the_example_configuration_is_usable_as_it_is(tmp_path: Path) -> None:
    config = load_config(REPOSITORY / "config.example.toml")

    assert len(config.roots) == 1
    assert (
        clipd(
            tmp_path, "config", "check", "--config", str(REPOSITORY / "config.example.toml")
        ).returncode
        == 0
    )
