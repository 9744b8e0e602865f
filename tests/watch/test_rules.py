from __future__ import annotations

from pathlib import Path

import pytest

from clipd.config.options import RootConfig, WatchConfig
from clipd.errors import ConfigError
from clipd.watch.root import Root
from clipd.watch.rules import RootRules, Rules


def rules(
    *exclude: str, hidden: bool = False, everywhere: tuple[str, ...] = (), path: str = "/p/.lib"
) -> RootRules:
    root = Root(1, path.encode(), RootConfig(path=Path(path), exclude=exclude))
    return Rules(WatchConfig(hidden=hidden, exclude=everywhere), [root]).of(root)


@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        (b"a.jpg", False),
        (b".a.jpg", True),
        (b"x/.cache/a.jpg", True),
        (b"x/..odd/a.jpg", True),
        (b"x/a.", False),
        (b"Thumbs.db", True),
        (b"@eaDir/a.jpg", True),
        (b"lost+found/a.jpg", True),
        (b"my lost+found.jpg", False),
        (b"\xff\n.jpg", False),
    ],
)
def test_hidden_and_junk_names_are_ignored_below_a_root_hidden_or_not(
    path: bytes, ignored: bool
) -> None:
    assert rules().ignores(b"/p/.lib/" + path, is_folder=False) is ignored


def test_hidden_files_count_when_asked_for_but_junk_does_not() -> None:
    here = rules(hidden=True)
    assert not here.ignores(b"/p/.lib/.x/.a.jpg", is_folder=False)
    for junk in (b".Trash-1000/a.jpg", b"x/._a.jpg", b".Trash/a.jpg"):
        assert here.ignores(b"/p/.lib/" + junk, is_folder=False)


@pytest.mark.parametrize(
    ("pattern", "ignored", "kept"),
    [
        ("*.tmp", [b"a.tmp", b"x/a.tmp", b"\xff\n.tmp"], [b"a.tmp.jpg"]),
        ("build/", [b"build/a.jpg", b"x/build/y/a.jpg"], [b"build", b"x/build"]),
        ("/top", [b"top", b"top/a.jpg"], [b"x/top"]),
        ("a/**/z", [b"a/z", b"a/b/c/z", b"a/b/z/k.jpg"], [b"b/z"]),
        ("r\u00e9sum\u00e9", ["résumé/a.jpg".encode()], [b"resume/a.jpg"]),
        ("[ab].jpg", [b"a.jpg", b"x/b.jpg"], [b"c.jpg"]),
    ],
)
def test_patterns_mean_what_they_mean_in_gitignore(
    pattern: str, ignored: list[bytes], kept: list[bytes]
) -> None:
    here = rules(pattern)
    for path in ignored:
        assert here.ignores(b"/p/.lib/" + path, is_folder=False), path
    for path in kept:
        assert not here.ignores(b"/p/.lib/" + path, is_folder=False), path


def test_a_later_pattern_takes_a_file_back_in_but_not_out_of_an_excluded_folder() -> None:
    here = rules("*.png", "!keep.png", "raw/", "!raw/a.jpg")
    assert here.ignores(b"/p/.lib/x/a.png", is_folder=False)
    assert not here.ignores(b"/p/.lib/x/keep.png", is_folder=False)
    assert here.ignores(b"/p/.lib/raw/a.jpg", is_folder=False)


def test_a_root_can_take_back_what_is_excluded_everywhere() -> None:
    assert rules(everywhere=("*.png",)).ignores(b"/p/.lib/a.png", is_folder=False)
    assert not rules("!*.png", everywhere=("*.png",)).ignores(b"/p/.lib/a.png", is_folder=False)


def test_the_whole_file_system_can_be_a_root() -> None:
    here = rules("/proc", path="/")
    assert here.ignores(b"/proc/a.jpg", is_folder=False)
    assert not here.ignores(b"/home/a.jpg", is_folder=False)
    assert not here.ignores(b"/", is_folder=True)


def test_a_wrong_pattern_is_refused() -> None:
    with pytest.raises(ConfigError, match="exclude"):
        rules("!")
