import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from clipd import __version__
from clipd.config.load import load_config
from clipd.encode.presets import IN_THE_BOX

REPOSITORY = Path(__file__).parents[2]


def clipd(
    home: Path, *arguments: str, prefix: Sequence[str] = (), **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, sys.executable, "-m", "clipd", *arguments],
        env={"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)}
        | environment,
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def config_of(home: Path, text: str) -> Path:
    file = home / ".config/clipd/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return file


def test_the_version_is_told(tmp_path: Path) -> None:
    assert clipd(tmp_path, "--version").stdout == f"clipd, version {__version__}\n"


def test_help_leads_with_examples_and_names_every_command(tmp_path: Path) -> None:
    text = clipd(tmp_path, "--help").stdout

    assert text.index("Examples:") < text.index("Commands:")
    for command in ("config", "demo", "model", "run", "setup"):
        assert f"\n  {command} " in text


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


def test_an_unknown_command_is_a_usage_error(tmp_path: Path) -> None:
    assert clipd(tmp_path, "serach").returncode == 2


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


def test_the_models_are_listed_with_what_is_here(tmp_path: Path) -> None:
    done = clipd(tmp_path, "model", "list")

    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert {"pocket", "ViT-B-32-256", "clip-vit-base-patch32", "clip-vit-large-patch14"} <= set(
        rows
    )
    assert "768 dimensions" in rows["clip-vit-large-patch14"]
    assert "not here" in rows["ViT-B-32-256"]
    assert "not here" not in rows["pocket"]


@pytest.mark.slow
def test_without_a_network_setup_names_the_ways_out_and_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "Pictures").mkdir()
    offline = {"HF_ENDPOINT": "http://127.0.0.1:9", "XDG_CACHE_HOME": str(tmp_path / "cache")}

    setup = clipd(tmp_path, "setup", "Pictures", **offline)
    fetch = clipd(tmp_path, "model", "fetch", **offline)
    info = clipd(tmp_path, "model", "info", **offline)
    wrong = clipd(tmp_path, "model", "fetch", "clip-vit-bse-patch32", **offline)

    assert (setup.returncode, fetch.returncode, info.returncode, wrong.returncode) == (4, 4, 4, 2)
    assert setup.stdout == f"config   {tmp_path}/.config/clipd/config.toml: written\n"
    for failed in (setup, fetch):
        assert failed.stderr.startswith("clipd: cannot fetch the model ViT-B-32-256")
        assert failed.stderr.count("\n") == 1
        for way_out in ("model.checkpoint", "HTTPS_PROXY", "the model in the box: clipd "):
            assert way_out in failed.stderr
    assert "clipd model fetch" in info.stderr
    assert "did you mean 'clip-vit-base-patch32'" in wrong.stderr


@pytest.mark.slow
def test_what_a_command_says_can_be_had_as_json(tmp_path: Path) -> None:
    (tmp_path / "Pictures").mkdir()
    set_up = clipd(tmp_path, "setup", "--offline", "--no-service", "--json", "Pictures")
    assert any("written" in step for step in json.loads(set_up.stdout)["steps"])
    for words, key in (
        (["config", "show"], "search"),
        (["config", "example"], "example"),
        (["config", "check"], "waits_for"),
        (["model", "list"], "models"),
        (["model", "info", "pocket"], "fingerprint"),
    ):
        assert key in json.loads(clipd(tmp_path, *words, "--json").stdout)


def test_a_refusal_of_clipd_is_json_too(tmp_path: Path) -> None:
    done = clipd(tmp_path, "config", "check", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "config"
    assert "clipd setup" in done.stderr
