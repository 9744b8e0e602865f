from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipd.config.load import load_config
from clipd.encode.models import FAR_DESCRIPTION, slug
from tests.cli.program import clipd, config_of
from tests.encode.far_machine import THEIRS, FarMachine, give_model

pytestmark = pytest.mark.slow

NO_NETWORK = "http://127.0.0.1:9"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[FarMachine]:
    give_model(tmp_path / "there/.local/share/clipd/models")
    with (
        tempfile.TemporaryDirectory(prefix="clipd-") as folder,
        FarMachine(Path(folder), tmp_path / "there") as machine,
    ):
        yield machine


def _config(home: Path, machine: FarMachine) -> Path:
    return config_of(
        home,
        '[model]\nname = "pocket"\n'
        f'[encoder]\nsocket = "{machine.address}"\n'
        '[[roots]]\npath = "~/Pictures"\n',
    )


def _kept(home: Path) -> list[str]:
    folder = home / ".local/share/clipd/models" / slug(THEIRS, "")
    return [each.name for each in folder.iterdir()]


def test_a_model_of_the_machine_that_encodes_is_described_and_not_fetched(
    tmp_path: Path, machine: FarMachine
) -> None:
    file = _config(tmp_path, machine)

    done = clipd(tmp_path, "model", "use", THEIRS, HF_ENDPOINT=NO_NETWORK)

    assert done.returncode == 0, done.stderr
    assert f"model    {THEIRS}: its weights are on desktop\n" in done.stdout
    assert load_config(file).model.name == THEIRS
    assert _kept(tmp_path) == [FAR_DESCRIPTION]
    info = clipd(tmp_path, "model", "info")
    assert info.returncode == 0, info.stderr
    assert "weights       not here: another machine encodes" in info.stdout


def test_a_model_that_the_machine_lacks_changes_nothing(
    tmp_path: Path, machine: FarMachine
) -> None:
    file = _config(tmp_path, machine)
    before = file.read_text()

    failed = clipd(tmp_path, "model", "use", "ViT-B-32-256", HF_ENDPOINT=NO_NETWORK)

    assert failed.returncode == 4
    assert "run this there: clipd model fetch ViT-B-32-256" in failed.stderr
    assert f"{file} is unchanged" in failed.stderr
    assert file.read_text() == before


def test_while_the_machine_is_away_a_model_that_is_known_here_can_be_used(
    tmp_path: Path, machine: FarMachine
) -> None:
    file = _config(tmp_path, machine)
    assert clipd(tmp_path, "model", "use", THEIRS).returncode == 0
    assert clipd(tmp_path, "model", "use", "pocket").returncode == 0
    machine.switch_off()

    unknown = clipd(tmp_path, "model", "use", "ViT-B-32-256", HF_ENDPOINT=NO_NETWORK)
    assert unknown.returncode == 4
    assert "desktop, which encodes, cannot be asked for ViT-B-32-256" in unknown.stderr
    assert load_config(file).model.name == "pocket"

    known = clipd(tmp_path, "model", "use", THEIRS, HF_ENDPOINT=NO_NETWORK)
    assert known.returncode == 0, known.stderr
    assert f"{THEIRS} is described here; desktop is away now" in known.stdout
    assert load_config(file).model.name == THEIRS


def test_setup_of_another_folder_fetches_nothing_that_only_the_machine_needs(
    tmp_path: Path, machine: FarMachine
) -> None:
    file = _config(tmp_path, machine)
    assert clipd(tmp_path, "model", "use", THEIRS).returncode == 0
    machine.switch_off()
    more = tmp_path / "More"
    more.mkdir()

    done = clipd(tmp_path, "setup", "--no-service", str(more), HF_ENDPOINT=NO_NETWORK)

    assert done.returncode == 0, done.stderr
    assert [root.path.name for root in load_config(file).roots] == ["Pictures", "More"]
    assert _kept(tmp_path) == [FAR_DESCRIPTION]
