"""Each heavy library is named in one place, and the client stays light."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import clipd

PACKAGE = Path(clipd.__file__).parent

# library -> the modules that may name it, as prefixes below clipd/
MAP = {
    "torch": ("encode/", "tiny/"),
    "open_clip": ("encode/", "tiny/"),
    "torchvision": (),
    "huggingface_hub": (),
    "PIL": ("decode/", "tiny/"),
    "pillow_heif": ("decode/",),
    "rawpy": ("decode/",),
    "pyseccomp": ("decode/",),
    "faiss": ("store/index",),
    "sqlite_utils": ("store/",),
    "watchdog": ("watch/events",),
    "pathspec": ("watch/rules", "config"),
    "starlette": ("serve/",),
    "uvicorn": ("serve/",),
    "click": ("ctl/", "command", "configoption", "modelcommand"),
}

# What the daemon must never load: the libraries that its children are for.
CHILDREN_ONLY = ("torch", "open_clip", "torchvision", "PIL", "pillow_heif", "rawpy")


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("library", MAP)
def test_a_library_is_named_only_where_the_map_says(library: str) -> None:
    places = {
        str(file.relative_to(PACKAGE).with_suffix(""))
        for file in PACKAGE.rglob("*.py")
        if library in imports(file)
    }
    strangers = {place for place in places if not place.startswith(MAP[library])}
    assert not strangers


def loaded_by(statement: str) -> set[str]:
    script = f"import sys; {statement}; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_the_daemon_loads_neither_torch_nor_pillow() -> None:
    assert not loaded_by("import clipd.daemon.run").intersection(CHILDREN_ONLY)


def test_the_client_loads_click_and_the_standard_library_only() -> None:
    beyond = loaded_by("import clipd.ctl.command") - loaded_by("pass") - sys.stdlib_module_names
    assert beyond == {"click", "clipd"}
