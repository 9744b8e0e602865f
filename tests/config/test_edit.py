"""An edit changes what is asked for, and nothing else of the user's text."""

from dataclasses import replace
from pathlib import Path

import pytest

from clipd.config.edit import with_model, with_root, with_text
from clipd.config.load import parse_config
from clipd.config.options import Config, ModelConfig, RootConfig
from clipd.config.render import fresh_text

FILE = Path("/somewhere/config.toml")
ROOT = '[[roots]]\npath = "/photos"  # the good ones\n'
STRANGE_PATH = 'a "b" \\c\x7f é'


def parsed(text: str) -> Config:
    return parse_config(text, FILE)


@pytest.mark.parametrize(
    "before",
    [
        ROOT,
        f'# mine\n{ROOT}\n[watch] # why\nsettle = "1s"\n# the end',
        'roots = [{ path = "/photos" }]\n[watch]\nsettle = "1s"\n',
        'roots = [\n    { path = "/photos" },  # the good ones\n]\n',
        f'model.name = "pocket"\n{ROOT}',
        f'watch = {{ settle = "1s" }}\n{ROOT}',
        fresh_text(Config(roots=(RootConfig(path=Path("/photos")),))),
    ],
)
def test_a_root_is_added_to_any_layout(before: str) -> None:
    after = with_root(before, f"/{STRANGE_PATH}")

    roots = (RootConfig(path=Path("/photos")), RootConfig(path=Path(f"/{STRANGE_PATH}")))
    assert parsed(after) == replace(parsed(before), roots=roots)
    rest = iter(after.splitlines())
    assert all(line in rest for line in before.splitlines() if "roots = [{" not in line)


def test_a_root_in_a_list_is_written_like_its_neighbours() -> None:
    before = 'roots = [\n    { path = "/photos" },  # the good ones\n]\n'

    after = with_root(before, "/more")

    assert after == before.replace("]\n", '    {path = "/more"},\n]\n')


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('[model]\nname = "x"  # for now\n', '[model]\nname = "pocket"  # for now\n'),
        ('[model]\nname = """\nx""" # y\n', '[model]\nname = "pocket" # y\n'),
        ("[model]\n'name' = 'x'\n", "[model]\n'name' = \"pocket\"\n"),
        ("model = { name = 'x' } # y\n", 'model = { name = "pocket" } # y\n'),
        ("model = {}\n", 'model = {name = "pocket"}\n'),
        ('model . name = "x" # y\n', 'model . name = "pocket" # y\n'),
        (
            '[model]\n#name = "x"\n#pretrained = ""\n',
            '[model]\nname = "pocket"\n#pretrained = ""\n',
        ),
        ("[model] # y\n", '[model] # y\nname = "pocket"\n'),
        ('[model]\nname = "x"\r\n', '[model]\nname = "pocket"\r\n'),
        ('name_of_mine = "x"\n', 'name_of_mine = "x"\n\n[model]\nname = "pocket"\n'),
        ("", '[model]\nname = "pocket"\n'),
    ],
)
def test_a_text_is_set_in_its_place(before: str, after: str) -> None:
    assert with_text(before, "model", "name", "pocket") == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            '[model]\nname = "x"  # mine\n# whose\npretrained = "openai"\n[watch]\nsettle = "1s"\n',
            '[model]\nname = "pocket"  # mine\n# whose\n[watch]\nsettle = "1s"\n',
        ),
        (
            "model = { name = 'x', checkpoint = '/x.pt' } # y\n",
            'model = { name = "pocket"  } # y\n',
        ),
        (
            'model.name = "x"\nmodel.pretrained = "openai"\n[watch]\n',
            'model.name = "pocket"\n[watch]\n',
        ),
        ('[model]\ncheckpoint = "/x.pt"\n', '[model]\nname = "pocket"\n'),
        ("", '[model]\nname = "pocket"\n'),
    ],
)
def test_what_belonged_to_the_former_model_goes_with_it(before: str, after: str) -> None:
    assert with_model(before, "pocket") == after


def test_weights_of_an_architecture_are_set_beside_its_name() -> None:
    fresh = fresh_text(Config(roots=(RootConfig(path=Path("/photos")),)))

    chosen = with_model(fresh, "ViT-B-32", "openai")

    assert parsed(chosen).model == ModelConfig(name="ViT-B-32", pretrained="openai")
    assert len(chosen.splitlines()) == len(fresh.splitlines())


def test_the_model_of_a_fresh_configuration_takes_the_place_of_its_default() -> None:
    fresh = fresh_text(Config(roots=(RootConfig(path=Path("/photos")),)))

    chosen = with_text(fresh, "model", "name", "pocket")

    assert chosen == fresh.replace('#name = "ViT-B-32-256"', 'name = "pocket"')
    assert parsed(chosen).model == ModelConfig(name="pocket")


def test_a_value_with_quotes_reads_back_as_itself() -> None:
    for before in ("", '[model]\nname = "x"\n', '[model]\n#name = "x"\n'):
        text = with_text(before, "model", "name", STRANGE_PATH)

        assert parsed(text + ROOT).model.name == STRANGE_PATH
