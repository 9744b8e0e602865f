"""open_clip is imported without what it hardly ever needs, and works as if it had been."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

LOADED = "{name for name in sys.modules if name.split('.')[:2] in (['torch', '_dynamo'], ['timm'])}"


def run(code: str, *, before: Path | None = None) -> None:
    """Run code in a process of its own; `before` is where it looks for packages first."""
    environment = os.environ | ({"PYTHONPATH": str(before)} if before else {})
    subprocess.run([sys.executable, "-c", f"import sys\n{code}"], check=True, env=environment)


def test_neither_the_compiler_nor_timm_is_imported_until_somebody_wants_it() -> None:
    run(
        f"""
from clipd.encode.openclip_library import open_clip
from clipd.encode import openclip
assert not {LOADED}
assert openclip.offers()["offers"]
assert not {LOADED}
import torch, torchvision
boxes = torch.tensor([[0, 0, 0, 4, 4]], dtype=torch.float32)
assert torchvision.ops.roi_align(torch.ones(1, 1, 8, 8), boxes, 2).mean() == 1
"""
    )


def test_a_model_with_a_tower_of_timms_is_built_all_the_same() -> None:
    run(
        """
from clipd.encode import openclip
plain = openclip._without_weights("ViT-B-32")
assert "timm" not in sys.modules
model = openclip._without_weights("MobileCLIP-S1")
assert "timm" in sys.modules
assert type(model.visual.trunk).__module__.startswith("timm.")
"""
    )


def test_a_torchvision_that_asks_the_compiler_for_more_gets_it(tmp_path: Path) -> None:
    instead = tmp_path / "torchvision"
    instead.mkdir()
    (instead / "__init__.py").write_text(
        """
import importlib.machinery, sys
from torch._dynamo import optimize  # no version of torchvision does, but one may
for entry in sys.path:
    found = importlib.machinery.PathFinder.find_spec("torchvision", [entry])
    if found is not None and found.origin != __file__:
        __path__ = list(found.submodule_search_locations)
        exec(compile(open(found.origin).read(), found.origin, "exec"))
        break
"""
    )
    run(
        """
from clipd.encode.openclip_library import open_clip
import torch._dynamo
assert torch._dynamo.optimize
assert open_clip.create_model("ViT-B-32")
""",
        before=tmp_path,
    )
