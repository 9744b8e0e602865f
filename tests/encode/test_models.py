from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from clipd.config.options import ModelConfig
from clipd.encode.fetch import fetch
from clipd.encode.model_json import fingerprinted, read_json, sha256_of
from clipd.encode.models import info, listing, resolve, slug
from clipd.encode.pins import insist_on_bytes, known_pin
from clipd.encode.presets import IN_THE_BOX, PRESETS, architectures_for, preset_named
from clipd.errors import FetchError, ModelError, ModelMissingError
from clipd.photo import ModelSpec
from clipd.pocket.weights import CONFIG
from tests.encode.conftest import SIDE, SMALL
from tests.encode.hub import Hub, serving_hub

REPOSITORY = "someone/small"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        yield hub


def ignore(here: int, total: int) -> None:
    pass


def test_the_classic_names_mean_the_openai_weights_with_their_activation() -> None:
    dims = {preset.name: preset.dim for preset in PRESETS}

    assert dims["clip-vit-base-patch32"] == dims["clip-vit-base-patch16"] == 512
    assert dims["clip-vit-large-patch14"] == 768
    for preset in PRESETS:
        is_openai = preset.pretrained == "openai"
        assert preset.architecture.endswith("-quickgelu") == is_openai
    assert preset_named("openai/clip-vit-base-patch32") == preset_named("clip-vit-base-patch32")
    assert architectures_for("ViT-B-32", "openai") == ("ViT-B-32-quickgelu",)


def test_a_checkpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    config = ModelConfig(name="ViT-B-32", checkpoint=tmp_path / "none.safetensors")

    with pytest.raises(ModelMissingError, match=r"none\.safetensors, but there is no such file"):
        resolve(config, tmp_path, tmp_path)


def test_the_model_in_the_box_has_the_fingerprint_of_its_bytes_though_its_seal_is_wrong(
    tmp_path: Path,
) -> None:
    first = resolve(ModelConfig(name=IN_THE_BOX), tmp_path, tmp_path)
    weights = Path(first.checkpoint)
    config = read_json(CONFIG)

    assert first == fingerprinted(first, config, sha256_of(weights))
    for wrong in (b"0" * 64, b"\xff" * 64, b""):
        weights.with_suffix(".sha256").write_bytes(wrong)
        assert resolve(ModelConfig(name=IN_THE_BOX), tmp_path, tmp_path) == first


def test_resolving_and_listing_never_import_torch(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, clipd.encode.handle, clipd.encode.fetch, clipd.encode.models as m;"
        f"m.listing(pathlib.Path({str(tmp_path)!r}), pathlib.Path({str(tmp_path)!r}));"
        "assert not {'torch', 'open_clip', 'PIL', 'huggingface_hub'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "pretrained", "says"),
    [
        ("clip-vit-base-patch33", "", "no model 'clip-vit-base-patch33': did you mean 'clip-vit-"),
        ("ViT-B32", "openai", "did you mean 'ViT-B-32"),
        ("ViT-B-32", "laion2b_s34b_b79", "did you mean 'laion2b_s34b_b79k'"),
        ("ViT-B-32", "", "set model.pretrained to one of"),
        ("ViT-S-32", "", "has no weights for ViT-S-32: set model.checkpoint"),
        ("ViT-B-32-256", "", "fetch it with `clipd model fetch`"),
        ("hf-hub:a/b", "", "fetch it with `clipd model fetch`"),
    ],
)
def test_a_model_that_cannot_be_used_is_answered_with_what_to_do(
    name: str, pretrained: str, says: str, tmp_path: Path, cache: Path
) -> None:
    with pytest.raises(ModelError) as caught:
        resolve(ModelConfig(name=name, pretrained=pretrained), tmp_path, cache)

    assert says in str(caught.value)


@pytest.mark.slow
def test_everything_that_open_clip_offers_is_listed(tmp_path: Path, cache: Path) -> None:
    rows = listing(tmp_path, cache, everything=True)

    quick = [row for row in rows if (row.name, row.pretrained) == ("ViT-B-32-quickgelu", "openai")]
    assert [row.dim for row in quick] == [512]
    assert len(rows) > 100
    assert [row.name for row in rows if row.is_here] == ["pocket"]


@pytest.mark.slow
def test_a_checkpoint_is_described_by_the_architecture_beside_it(
    spec: ModelSpec, small: ModelConfig, cache: Path, tmp_path: Path
) -> None:
    assert (spec.name, spec.architecture, spec.dim) == ("mine", "small", SMALL["embed_dim"])
    assert spec.preprocess.side == SIDE
    assert small.checkpoint is not None
    for suffix in (".json", ".safetensors"):
        shutil.copy(small.checkpoint.with_suffix(suffix), tmp_path / f"small{suffix}")

    moved = resolve(
        ModelConfig(name="other", checkpoint=tmp_path / "small.safetensors"), tmp_path, cache
    )

    assert moved.fingerprint == spec.fingerprint
    assert moved.checkpoint != spec.checkpoint


@pytest.mark.slow
def test_a_checkpoint_that_carries_code_or_is_another_models_is_refused(
    tmp_path: Path, cache: Path, small: ModelConfig
) -> None:
    assert small.checkpoint is not None
    (tmp_path / "code.json").write_text(json.dumps(SMALL))
    (tmp_path / "code.pt").write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    with pytest.raises(ModelError, match="code beside weights, which is not run"):
        resolve(ModelConfig(checkpoint=tmp_path / "code.pt"), tmp_path, cache)
    assert not Path("ran").exists()

    with pytest.raises(ModelError, match="does not fit the architecture ViT-S-32"):
        resolve(_elsewhere(small.checkpoint, tmp_path, "ViT-S-32"), tmp_path, cache)


@pytest.mark.slow
def test_a_fetched_model_is_found_again_and_damage_to_it_is_noticed(
    hub: Hub, small: ModelConfig, spec: ModelSpec, tmp_path: Path, cache: Path
) -> None:
    assert small.checkpoint is not None
    hub.put(REPOSITORY, "open_clip_config.json", json.dumps({"model_cfg": SMALL}).encode())
    hub.put(REPOSITORY, "open_clip_model.safetensors", small.checkpoint.read_bytes())
    config = ModelConfig(name=f"hf-hub:{REPOSITORY}")
    seen: list[tuple[int, int]] = []

    fetched = fetch(config, tmp_path, cache, lambda here, total: seen.append((here, total)))

    size = small.checkpoint.stat().st_size
    assert seen[-1] == (size, size)
    assert fetched.dim == spec.dim
    # Hashed as it came: the first start need not read it once more.
    assert any(fetched.checkpoint in note.read_text() for note in (cache / "verified").iterdir())
    hub.files.clear()
    assert resolve(config, tmp_path, cache) == fetch(config, tmp_path, cache, ignore) == fetched
    assert info(config, tmp_path, cache).size_bytes == size
    Path(fetched.checkpoint).write_bytes(b"cut short")
    with pytest.raises(ModelMissingError, match="damaged: fetch them again"):
        resolve(config, tmp_path, cache)


def test_weights_that_are_not_the_ones_that_came_first_are_refused(
    hub: Hub, tmp_path: Path, cache: Path
) -> None:
    config = ModelConfig(name=f"hf-hub:{REPOSITORY}")
    home = tmp_path / slug(config.name, "")
    home.mkdir()
    about = {"file": "open_clip_model.safetensors", "sha256": sha256(b"first").hexdigest()}
    (home / "model.json").write_text(json.dumps(about))
    hub.put(REPOSITORY, "open_clip_config.json", json.dumps({"model_cfg": SMALL}).encode())
    hub.put(REPOSITORY, "open_clip_model.safetensors", b"second")

    with pytest.raises(FetchError, match="not the file that belongs") as caught:
        fetch(config, tmp_path, cache, ignore)

    assert f"if you trust the new ones, remove {home / 'model.json'} first" in str(caught.value)
    assert not (home / "open_clip_model.safetensors").exists()


@pytest.mark.slow
def test_the_weights_of_a_preset_are_known_to_the_last_bit_before_they_are_fetched(
    hub: Hub, tmp_path: Path, cache: Path
) -> None:
    repository, revision = "timm/vit_base_patch32_clip_224.openai", "a6f597a30f7b82c5"
    pin = known_pin("ViT-B-32-quickgelu", "openai")
    assert pin is not None
    assert pin.revision.startswith(revision)
    hub.put(repository, pin.file, b"whatever the hub says it is", pin.revision)

    with pytest.raises(FetchError, match=f"not {pin.sha256}"):
        fetch(ModelConfig(name="clip-vit-base-patch32"), tmp_path, cache, ignore)

    assert {path for path, _, _ in hub.asked if not path.startswith("/cdn")} == {
        f"/{repository}/resolve/{pin.revision}/{pin.file}"
    }


def test_every_preset_that_is_fetched_is_pinned() -> None:
    for preset in PRESETS:
        pin = known_pin(preset.architecture, preset.pretrained)
        assert (pin is None) == (preset.name == IN_THE_BOX)
        assert pin is None or (len(pin.sha256), len(pin.revision)) == (64, 40)


def test_weights_that_change_in_place_are_noticed_though_size_and_time_are_kept(
    tmp_path: Path,
) -> None:
    weights, cache = tmp_path / "weights", tmp_path / "cache"
    weights.write_bytes(b"good")
    good = sha256(b"good").hexdigest()
    insist_on_bytes(weights, good, cache)
    insist_on_bytes(weights, good, cache)
    then = weights.stat()

    weights.write_bytes(b"evil")
    os.utime(weights, ns=(then.st_atime_ns, then.st_mtime_ns))

    with pytest.raises(ModelMissingError, match="fetch them again"):
        insist_on_bytes(weights, good, cache)


def test_without_a_network_one_sentence_names_the_three_ways_out(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")

    with pytest.raises(FetchError) as caught:
        fetch(ModelConfig(name=f"hf-hub:{REPOSITORY}"), tmp_path, cache, ignore)

    for way in ("HTTPS_PROXY", "model.checkpoint", f"clipd model use {IN_THE_BOX}"):
        assert way in str(caught.value)


def test_a_repository_without_weights_says_which_file_it_lacks(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"open_clip_config\.json is not there"):
        fetch(ModelConfig(name=f"hf-hub:{REPOSITORY}"), tmp_path, tmp_path, ignore)


def _elsewhere(checkpoint: Path, folder: Path, name: str) -> ModelConfig:
    copy = folder / "alone.safetensors"
    shutil.copy(checkpoint, copy)
    return ModelConfig(name=name, checkpoint=copy)
