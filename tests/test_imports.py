"""Each heavy library is named in one place, and the client stays light."""

import ast
import graphlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import clipd

PACKAGE = Path(clipd.__file__).parent

# library -> the modules that may name it, as prefixes below clipd/
MAP = {
    "torch": ("encode/", "pocket/"),
    "open_clip": ("encode/", "pocket/"),
    "openvino": ("encode/openvino_library", "pocket/teaching/"),
    "torchvision": (),
    "huggingface_hub": (),
    "ftfy": ("encode/tokenizer",),
    "regex": ("encode/tokenizer",),
    "PIL": ("decode/", "pocket/"),
    "pillow_heif": ("decode/",),
    "rawpy": ("decode/",),
    "pyseccomp": ("process/call_filter",),
    "faiss": ("store/index",),
    "pymilvus": ("store/milvus_",),
    "milvus_lite": ("store/milvus_lite_worker",),
    "grpc": ("store/milvus_",),
    "sqlite_utils": ("store/",),
    "watchdog": ("watch/events",),
    "pathspec": ("watch/rules", "config/"),
    "starlette": ("serve/", "page/"),
    "uvicorn": ("serve/", "page/"),
    "click": ("ctl/", "cli/"),
    "tomlkit": ("config/edit",),
    "ray": ("bulk/",),
    "pyarrow": ("bulk/",),
}

# The rooms of the house, the lowest first: a room may import from those before it, never from
# those after it. `.` are the words that everybody shares: the modules that lie flat in clipd/.
FLOORS = (
    (".",),
    ("config", "process"),
    ("pocket", "decode", "places", "store"),
    ("encode", "watch"),
    ("ingest", "search", "bulk"),
    ("serve", "ctl"),
    ("daemon", "page"),
    ("cli",),
)
MOST_WORDS = 10  # modules that may lie flat in clipd/: more would be rooms

# What the daemon must never load: the libraries that its children are for.
CHILDREN_ONLY = ("torch", "open_clip", "openvino", "torchvision", "PIL", "pillow_heif", "rawpy")


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def room_of(module: str) -> str:
    """Return the folder of ``clipd.watch.scan``; `.` for a module that lies flat in clipd/."""
    first = module.split(".")[1] if "." in module else ""
    return first if (PACKAGE / first).is_dir() and first else "."


def own_imports(file: Path) -> Iterator[str]:
    """Yield the modules of clipd that a file imports, also inside of functions."""
    for node in ast.walk(ast.parse(file.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            below = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if exists(name) else node.module for name in below]
        yield from (name for name in names if name == "clipd" or name.startswith("clipd."))


def exists(module: str) -> bool:
    place = PACKAGE.parent.joinpath(*module.split("."))
    return place.is_dir() or place.with_suffix(".py").exists()


def module_of(file: Path) -> str:
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


GRAPH = {module_of(file): set(own_imports(file)) for file in PACKAGE.rglob("*.py")}


def test_every_room_has_a_floor() -> None:
    rooms = {room for floor in FLOORS for room in floor}
    assert {room_of(module) for module in GRAPH} == rooms


def test_nothing_lower_imports_anything_higher() -> None:
    floor_of = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    upward = [
        f"{module} imports {imported}"
        for module, names in GRAPH.items()
        # `python -m clipd` is the door to the top floor, though it lies on the ground.
        if module != "clipd.__main__"
        for imported in names
        if room_of(module) != room_of(imported)
        and floor_of[room_of(module)] <= floor_of[room_of(imported)]
    ]
    assert not upward


def test_no_module_imports_itself_in_a_circle() -> None:
    sorter = graphlib.TopologicalSorter(GRAPH)
    sorter.prepare()  # raises CycleError, which names the circle


def test_only_words_lie_flat() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= MOST_WORDS


def test_no_two_files_share_a_name() -> None:
    shared = {"__init__", "__main__", "command"}  # a command is a command in both programs
    names = Counter(file.stem for file in PACKAGE.rglob("*.py") if file.stem not in shared)
    assert not [name for name, count in names.items() if count > 1]


def test_no_two_classes_share_a_name() -> None:
    names = Counter(
        node.name
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ClassDef)
    )
    assert not [name for name, count in names.items() if count > 1]


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


def test_the_daemon_loads_no_engine_that_it_was_not_told_to_use() -> None:
    engines = {"pymilvus", "milvus_lite", "grpc", "pandas", "pyarrow"}
    assert not loaded_by("import clipd.daemon.run").intersection(engines)


def test_the_client_loads_click_and_the_standard_library_only() -> None:
    beyond = loaded_by("import clipd.ctl.command") - loaded_by("pass") - sys.stdlib_module_names
    assert beyond == {"click", "clipd"}
