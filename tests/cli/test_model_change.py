from pathlib import Path

import pytest

from clipd.config.load import load_config
from clipd.config.options import ModelConfig
from clipd.encode.presets import IN_THE_BOX
from tests.cli.program import clipd, config_of
from tests.encode.hub import serving_hub

TEXT = '# mine\n[model]\nname = "ViT-B-32-256"  # good\n[[roots]]\npath = "~/Pictures"\n'


def test_the_model_in_the_box_needs_no_network_and_no_editor(tmp_path: Path) -> None:
    file = config_of(tmp_path, TEXT)

    done = clipd(tmp_path, "model", "use", IN_THE_BOX, HF_ENDPOINT="http://127.0.0.1:9")

    assert done.returncode == 0, done.stderr
    assert file.read_text() == TEXT.replace("ViT-B-32-256", IN_THE_BOX)
    assert f"config   {file}: changed\n" in done.stdout
    assert "clipd does not run, and will use it when it does; start it with: " in done.stdout


def test_a_name_is_written_as_it_is_listed(tmp_path: Path) -> None:
    file = config_of(tmp_path, TEXT)

    assert clipd(tmp_path, "model", "use", IN_THE_BOX.upper()).returncode == 0

    assert load_config(file).model == ModelConfig(name=IN_THE_BOX)


def test_without_a_network_nothing_is_written_and_the_model_in_the_box_is_named(
    tmp_path: Path,
) -> None:
    file = config_of(tmp_path, TEXT)

    failed = clipd(tmp_path, "model", "use", "hf-hub:some/one", HF_ENDPOINT="http://127.0.0.1:9")

    assert failed.returncode == 4
    assert failed.stderr.startswith("clipd: cannot fetch the model hf-hub:some/one")
    assert f"clipd model use {IN_THE_BOX}" in failed.stderr
    assert f"{file} is unchanged" in failed.stderr
    assert failed.stderr.count("\n") == 1
    assert file.read_text() == TEXT


def test_a_hub_that_lacks_the_model_changes_nothing_either(tmp_path: Path) -> None:
    file = config_of(tmp_path, TEXT)

    with serving_hub() as hub:
        failed = clipd(tmp_path, "model", "use", "hf-hub:some/one", HF_ENDPOINT=hub.address)

    assert failed.returncode == 4
    assert hub.asked
    assert file.read_text() == TEXT


@pytest.mark.slow
@pytest.mark.parametrize("command", [("model", "use"), ("model", "fetch")])
def test_an_unknown_name_is_a_usage_error_with_the_nearest_one(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    file = config_of(tmp_path, TEXT)

    failed = clipd(tmp_path, *command, f"{IN_THE_BOX}x")

    assert failed.returncode == 2
    assert f"did you mean '{IN_THE_BOX}'" in failed.stderr
    assert "clipd model list" in failed.stderr
    assert file.read_text() == TEXT


def test_without_a_configuration_the_next_command_is_named(tmp_path: Path) -> None:
    failed = clipd(tmp_path, "model", "use", IN_THE_BOX)

    assert failed.returncode == 2
    assert "clipd setup ~/Pictures" in failed.stderr
