import os
import re
import tomllib
from pathlib import Path

import pytest

from clipd.config.folders import Paths
from clipd.config.keys import keys_of, tables
from clipd.config.load import load_config, parse_config
from clipd.config.options import Config, EncoderConfig, ModelConfig, RootConfig, WatchConfig
from clipd.config.render import effective_text, example_text, fresh_text
from clipd.config.units import parse_duration, parse_size, write_duration, write_size
from clipd.errors import ClipdError, ConfigError

REPOSITORY = Path(__file__).parents[2]
FILE = Path("/somewhere/config.toml")


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, FILE)
    assert str(FILE) in str(caught.value)
    return str(caught.value)


def with_root(text: str) -> str:
    return f'{text}\n[[roots]]\npath = "/photos"\n'


def test_the_smallest_configuration_is_a_model_and_a_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / "config.toml"
    file.write_text('[model]\nname = "pocket"\n[[roots]]\npath = "~/Pictures"\n')

    config = load_config(file)

    assert config.model.name == "pocket"
    assert [root.path for root in config.roots] == [tmp_path / "Pictures"]
    assert config.watch == WatchConfig()


def test_every_value_that_is_written_is_what_is_read() -> None:
    config = parse_config(
        with_root(
            """
            [watch]
            settle = "250ms"
            poll_every = "15m"
            hidden = true
            exclude = ["*.tmp", "/Trash/", "!keep.tmp"]
            [decoder]
            memory = "512MiB"
            [encoder]
            device = "cpu"
            batch = 8
            idle_unload = "5s"
            [store]
            keep = "1.5h"
            [search]
            min_score = 0
            """
        ),
        FILE,
    )

    assert config.watch.settle == 0.25
    assert config.watch.poll_every == 900
    assert config.watch.hidden is True
    assert config.watch.exclude == ("*.tmp", "/Trash/", "!keep.tmp")
    assert config.decoder.memory == 512 << 20
    assert config.encoder == EncoderConfig(device="cpu", batch=8, idle_unload=5.0)
    assert config.store.keep == 5400
    assert config.search.min_score == 0.0


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('[watch]\nsetle = "1s"', ["line 2", "watch.setle", "did you mean settle?", "poll_every"]),
        ('[wacth]\nsettle = "1s"', ["wacth", "did you mean watch?"]),
        ('name = "pocket"', ["line 1", "name", "belongs in [model]"]),
        ('[encoder]\nkind = "flat"', ["encoder.kind", "belongs in [index]"]),
        ('[watch]\n\nsettle = "5 parsecs"', ["line 3", "watch.settle", "5 parsecs", '"250ms"']),
        ("[watch]\nsettle = 5", ["watch.settle = 5", "with its unit"]),
        ('[watch]\nscan_every = "1ms"', ["watch.scan_every", 'at least "100ms"']),
        ('[watch]\nsettle = "9s"\nsettle_max = "3s"', ["line 2", '"9s"', "settle_max", '"3s"']),
        ('[store]\nkeep = "99999999d"', ["store.keep", "36500d"]),
        ('[decoder]\nmemory = "2GB"', ["decoder.memory", "2GB", "GiB"]),
        ('[decoder]\nmemory = "1MiB"', ["decoder.memory", 'at least "256MiB"']),
        ("[encoder]\nbatch = 0", ["encoder.batch = 0", "at least 1"]),
        ("[encoder]\nbatch = 5000", ["encoder.batch = 5000", "at most 1_024"]),
        ('[encoder]\nbatch = "8"', ["encoder.batch", "whole number"]),
        ("[encoder]\nbatch = true", ["encoder.batch = true", "whole number"]),
        ('[encoder]\ndevice = "gpu"', ['did you mean "cuda"?']),
        ('[encoder]\ndevice = "cuba"', ["encoder.device", "cuba", '"cpu"', 'did you mean "cuda"']),
        ("[watch]\nhidden = 1", ["watch.hidden = 1", "true or false"]),
        ("[search]\nmin_score = nan", ["search.min_score", "a number"]),
        ("[search]\nmin_score = 1.5", ["search.min_score = 1.5", "at most 1.0"]),
        ('[watch]\nexclude = "*.tmp"', ["watch.exclude", "a list of patterns"]),
        ('[watch]\nexclude = ["# x"]', ["watch.exclude", "matches nothing"]),
        ('[model]\ncheckpoint = "a.pt"', ["model.checkpoint", "absolute"]),
        ("[model]\nname = 2020-01-01", ["model.name = 2020-01-01", "in quotes"]),
        ("model = 1", ["model = 1", "[model]"]),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(text: str, parts: list[str]) -> None:
    message = refusal(with_root(text))

    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[model]\n", ["names no folder", "clipd setup"]),
        ('roots = "/photos"', ["line 1", "roots", "[[roots]]"]),
        ('[roots]\npath = "/photos"', ["[[roots]]"]),
        ("[[roots]]\n", ["line 1", "roots[1]", "path is missing"]),
        ('[[roots]]\npath = "Pictures"', ["line 2", "roots[1].path", "absolute"]),
        ('[[roots]]\npath = "/a\\u0000b"', ["roots[1].path", "absolute"]),
        (
            '[[roots]]\npath = "/a"\n[[roots]]\npaht = "/b"',
            ["line 4", "roots[2].paht is not a key in [[roots]]", "did you mean path?"],
        ),
        ("[[roots]\n", ["not valid TOML", "line 1"]),
        ("[[roots]]\npath = ~/My Photos # all\n", ["line 2", 'write path = "~/My Photos"']),
        ("[watch]\nsettle = 300ms\n", ["line 2", "quotes", 'write settle = "300ms"']),
        ('[watch]\nsettle="1s"\nsettle="2s"\n', ["not valid TOML", "overwrite"]),
    ],
)
def test_roots_and_syntax_are_explained_too(text: str, parts: list[str]) -> None:
    message = refusal(text)

    for part in parts:
        assert part in message


def test_where_nothing_is_watched_a_configuration_may_be_without_roots(tmp_path: Path) -> None:
    config = parse_config('[encoder]\ndevice = "cpu"\n', tmp_path / "a.toml", needs_roots=False)

    assert (config.roots, config.encoder.device) == ((), "cpu")
    with pytest.raises(ConfigError, match=r"line 1: roots .*\[\[roots\]\]"):
        parse_config('roots = "/photos"\n', tmp_path / "a.toml", needs_roots=False)


def test_the_valid_keys_are_named_in_the_order_of_the_example(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="valid: roots, model, watch, decoder, encoder, index"):
        parse_config("[zzz]\n", tmp_path / "clipd.toml")


def test_a_key_is_found_in_its_own_table_when_others_have_one_of_that_name() -> None:
    text = '# exclude = 1\n[watch]\nexclude = []\n[[roots]]\npath = "/a"\nexclude = 5\n'

    assert "line 6: roots[1].exclude = 5" in refusal(text)


def roots(*paths: Path | str) -> str:
    return "".join(f'[[roots]]\npath = "{path}"\n' for path in paths)


def test_overlapping_roots_are_refused_by_both_names(tmp_path: Path) -> None:
    inner = tmp_path / "photos" / "2024"
    inner.mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(inner)
    outer = tmp_path / "photos"

    same = refusal(roots(outer, f"{outer}/"))
    inside = refusal(roots(outer, link))
    around = refusal(roots(inner, outer))

    assert "line 4" in same
    assert "roots[2].path" in same
    assert f'is the same folder as roots[1].path = "{outer}"' in same
    assert f'"{link}" lies inside roots[1].path = "{outer}"' in inside
    assert f'"{outer}" contains roots[1].path = "{inner}"' in around


def test_a_name_that_begins_like_another_root_does_not_overlap_it() -> None:
    config = parse_config(roots("/photos", "/photos-2"), FILE)

    assert len(config.roots) == 2


def test_a_missing_root_is_waited_for_and_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    file.touch()

    assert parse_config(roots(tmp_path / "unplugged"), FILE).roots[0].exclude == ()
    assert "is a file" in refusal(roots(file))


def test_a_root_with_dots_means_the_folder_that_the_kernel_reports(tmp_path: Path) -> None:
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "away")

    config = parse_config(roots(f"{tmp_path}/link/../", f"{tmp_path}//other/./"), FILE)

    assert config.roots[0].path == (tmp_path / "far").resolve()
    assert config.roots[1].path == tmp_path / "other"


def test_a_file_that_cannot_be_read_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no configuration at .*clipd setup"):
        load_config(tmp_path / "absent.toml")
    with pytest.raises(ConfigError, match="Is a directory"):
        load_config(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'# caf\xe9\n[[roots]]\npath = "/a"\n')
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(tmp_path / "latin.toml")


def test_the_example_shows_every_key_with_its_default() -> None:
    text = (REPOSITORY / "config.example.toml").read_text()

    assert text == example_text(), "write it anew: clipd config example >config.example.toml"
    config = parse_config(text, FILE)
    assert config == Config(roots=config.roots)
    document = tomllib.loads(text)
    for name, table in tables().items():
        shown = set(document[name]) | set(re.findall(r"^#(\w+) = ", text, re.MULTILINE))
        assert set(keys_of(table)) <= shown
    assert max(map(len, text.splitlines())) <= 100


def test_every_key_says_why_in_one_line() -> None:
    for table in [*tables().values(), RootConfig]:
        for key in keys_of(table).values():
            assert key.why.endswith("."), key
            assert 20 <= len(key.why) <= 98, key


def test_the_effective_configuration_reads_back_as_itself() -> None:
    config = Config(
        roots=(RootConfig(path=Path('/a "b" \\c\x7f\n\u00e9'), exclude=("*.tmp",)),),
        model=ModelConfig(name="ViT-B-32", checkpoint=Path("/m/x.safetensors")),
        watch=WatchConfig(settle=0.0125, hidden=True),
    )

    assert parse_config(effective_text(config), FILE) == config


def test_a_fresh_configuration_sets_only_what_differs() -> None:
    config = Config(roots=(RootConfig(path=Path("/photos")),), model=ModelConfig(name="pocket"))

    text = fresh_text(config)

    assert parse_config(text, FILE) == config
    document = tomllib.loads(text)
    assert document.pop("roots") == [{"path": "/photos"}]
    assert document.pop("model") == {"name": "pocket"}
    assert not any(document.values())
    assert '#settle = "300ms"' in text.splitlines()


@pytest.mark.parametrize("seconds", [0.0, 0.0125, 0.3, 1.0, 5.5, 90.0, 900.0, 5400.0, 86400.0])
def test_a_duration_reads_back_as_itself(seconds: float) -> None:
    assert parse_duration(write_duration(seconds)) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 1536, 64 << 20, 2 << 30, 1 << 40])
def test_a_size_reads_back_as_itself(size: int) -> None:
    assert parse_size(write_size(size)) == size


@pytest.mark.parametrize("text", ["", "5", "s", "-5s", "5 s s", "1e3s", "5S", "٥s", "5 minutes"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a duration with its unit"):
        parse_duration(text)


def test_files_lie_where_the_xdg_variables_say(tmp_path: Path) -> None:
    plain = Paths.of({"HOME": "/home/me", "XDG_RUNTIME_DIR": "/run/me"})
    moved = Paths.of(
        {
            "HOME": "/home/me",
            "XDG_CONFIG_HOME": "/c",
            "XDG_STATE_HOME": "/s",
            "XDG_CACHE_HOME": "relative/is/ignored",
            "XDG_DATA_HOME": "/d",
            "CLIPD_SOCKET": "/tmp/x.sock",
        }
    )

    assert plain == Paths(
        config=Path("/home/me/.config/clipd/config.toml"),
        state=Path("/home/me/.local/state/clipd"),
        cache=Path("/home/me/.cache/clipd"),
        models=Path("/home/me/.local/share/clipd/models"),
        socket=Path("/run/me/clipd/clipd.sock"),
    )
    assert moved.config == Path("/c/clipd/config.toml")
    assert moved.state == Path("/s/clipd")
    assert moved.cache == Path("/home/me/.cache/clipd")
    assert moved.models == Path("/d/clipd/models")
    assert moved.socket == Path("/tmp/x.sock")


def test_folders_are_made_for_the_user_alone(tmp_path: Path) -> None:
    paths = Paths.of({"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)})

    umask = os.umask(0)
    try:
        paths.make()
        paths.make()
    finally:
        os.umask(umask)

    for folder in (paths.state, paths.cache, paths.models):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / ".cache").touch()
    paths = Paths.of({"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)})

    with pytest.raises(ClipdError, match=rf"{tmp_path}/\.cache/clipd"):
        paths.make()
