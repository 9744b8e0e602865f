import json
from pathlib import Path

import pytest

from clipd import __version__
from tests.cli.program import clipd


def test_the_version_is_told(tmp_path: Path) -> None:
    assert clipd(tmp_path, "--version").stdout == f"clipd, version {__version__}\n"


def test_help_leads_with_examples_and_names_every_command(tmp_path: Path) -> None:
    text = clipd(tmp_path, "--help").stdout

    assert text.index("Examples:") < text.index("Commands:")
    for command in ("config", "demo", "model", "run", "setup"):
        assert f"\n  {command} " in text


def test_an_unknown_command_is_a_usage_error(tmp_path: Path) -> None:
    assert clipd(tmp_path, "serach").returncode == 2


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
