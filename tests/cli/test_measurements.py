from __future__ import annotations

import json
from pathlib import Path

import pytest

from clipd.config.options import ModelConfig
from clipd.encode.compiled import Compiled, homes_of, record, refuse
from clipd.encode.models import resolve
from clipd.json_types import JsonObject
from tests.cli.program import clipd

MEASURED: JsonObject = {
    "fp32": {"seconds": 0.3, "cosine": 1.0},
    "bf16": {"seconds": 0.15, "cosine": 0.99991},
}
INT8: JsonObject = {"int8": {"gain": 1.66, "cosine": 0.9971, "hits": 0.88}}


@pytest.mark.slow
def test_what_was_measured_of_a_model_is_told(tmp_path: Path) -> None:
    paths = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "XDG_DATA_HOME": str(tmp_path / "data")}
    cache = tmp_path / "cache" / "clipd"
    spec = resolve(ModelConfig(name="pocket"), tmp_path / "data" / "clipd" / "models", cache)
    first, refined = homes_of(spec, "auto", cache)

    unmeasured = clipd(tmp_path, "model", "info", "pocket", **paths)
    first.mkdir(parents=True)
    record(Compiled(first, "bf16", 77, MEASURED), {})
    measured = clipd(tmp_path, "model", "info", "pocket", **paths)
    refined.mkdir(parents=True)
    refuse(refined, {**MEASURED, **INT8})
    refused = clipd(tmp_path, "model", "info", "pocket", **paths)
    as_json = clipd(tmp_path, "model", "info", "pocket", "--json", **paths)

    assert "\nmeasured " not in unmeasured.stdout
    bf16 = "measured      bf16: 2.00 times as fast as fp32, cosine to it 0.9999\n"
    assert bf16 in measured.stdout
    assert "int8" not in measured.stdout
    assert bf16 in refused.stdout
    assert "int8: 1.66 times as fast as without it; on your photos, cosine" in refused.stdout
    assert "88 % of the first hits" in refused.stdout
    assert json.loads(as_json.stdout)["measured"] == {**MEASURED, **INT8}
