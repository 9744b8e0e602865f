import os
import shlex
import subprocess
import sys
import tomllib
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from clipd.cli.command import main
from clipd.config.load import load_config
from clipd.config.options import ModelConfig
from clipd.encode.presets import IN_THE_BOX
from clipd.photo import Fingerprint

REPOSITORY = Path(__file__).parents[2]
NO_NETWORK = "http://127.0.0.1:9"

# Stands for the user's systemd, which a test cannot have: it notes what it is told, says that
# clipd runs after it was started, and fails where a file named "fail-VERB" asks for it.
SYSTEMCTL = """\
#!/bin/sh
echo "$(basename "$0") $*" >>"$LOG/calls"
for word in "$@"; do
  if [ -e "$LOG/fail-$word" ]; then echo "Job failed: $word." >&2; exit 1; fi
done
case "$*" in
  *is-active*) [ -e "$LOG/active" ] ;;
  *start*) : >"$LOG/active" ;;
esac
"""


@dataclass(frozen=True)
class Home:
    """A user with an empty home folder and a systemd of their own."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / ".config/clipd/config.toml"

    @property
    def unit(self) -> Path:
        return self.path / ".config/systemd/user/clipd.service"

    @property
    def log(self) -> Path:
        return self.path / "log"

    def photos(self, name: str) -> Path:
        folder = self.path / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def calls(self) -> list[str]:
        """Take what systemctl was told since the last call, without the questions."""
        file = self.log / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        questions = ("is-active", "show", "systemd-run")
        return [each for each in lines if not any(word in each for word in questions)]

    def setup(self, *arguments: object, **environment: str) -> Result:
        """Run ``clipd setup`` without fetching a model."""
        return self.whole_setup("--no-fetch", *arguments, **environment)

    def whole_setup(self, *arguments: object, **environment: str) -> Result:
        """Run ``clipd setup`` as this user, in this process: a new one takes .2 s each time."""
        own: dict[str, str | None] = {
            name: None for name in os.environ if name.startswith(("XDG_", "CLIPD_"))
        }
        own |= {"HOME": str(self.path), "LOG": str(self.log)}
        own |= {"PATH": f"{self.path}/bin:{os.environ['PATH']}"}
        with chdir(self.path):
            return CliRunner().invoke(
                main,
                ["setup", *map(str, arguments)],
                env=own | environment,
                catch_exceptions=False,
            )

    def roots(self) -> list[Path]:
        return [root.path for root in load_config(self.config).roots]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    made.log.mkdir()
    (tmp_path / "bin").mkdir()
    for name in ("systemctl", "systemd-run"):
        script = tmp_path / "bin" / name
        script.write_text(SYSTEMCTL)
        script.chmod(0o755)
    return made


def test_the_first_setup_writes_a_commented_config_and_starts_the_service(home: Home) -> None:
    photos = home.photos("My Photos")

    done = home.setup("My Photos", "--model", "pocket")

    assert done.exit_code == 0, done.stderr
    assert home.roots() == [photos]
    assert tomllib.loads(home.config.read_text())["model"] == {"name": "pocket"}
    assert '#settle = "300ms"' in home.config.read_text()
    assert home.config.stat().st_mode & 0o777 == 0o600
    assert home.calls() == [
        "systemctl --user daemon-reload",
        "systemctl --user enable clipd.service",
        "systemctl --user reset-failed clipd.service",
        "systemctl --user start clipd.service",
    ]
    assert 'clipctl search "sunset"' in done.stdout
    for folder in (".local/state/clipd", ".cache/clipd", ".local/share/clipd/models"):
        assert (home.path / folder).stat().st_mode & 0o777 == 0o700


def test_run_again_it_changes_nothing(home: Home) -> None:
    photos = home.photos("Pictures")
    home.setup(photos)
    home.calls()
    before = Fingerprint.of(home.config.stat()), Fingerprint.of(home.unit.stat())

    done = home.setup(photos)

    assert done.exit_code == 0, done.stderr
    assert (Fingerprint.of(home.config.stat()), Fingerprint.of(home.unit.stat())) == before
    assert home.calls() == ["systemctl --user enable clipd.service"]
    assert "unchanged" in done.stdout


def test_another_folder_is_added_below_the_users_own_words(home: Home) -> None:
    first, second = home.photos("Pictures"), home.photos("Archive")
    home.config.parent.mkdir(parents=True)
    mine = f'# mine\n[[roots]]\npath = "{first}" # the good ones\n\n[watch]\nsettle = "1s"\n'
    home.config.write_text(mine)
    home.config.chmod(0o644)
    home.setup()
    home.calls()

    done = home.setup(second, "Pictures")

    assert done.exit_code == 0, done.stderr
    assert home.config.read_text().startswith(mine)
    assert home.roots() == [first, second]
    assert home.config.stat().st_mode & 0o777 == 0o644
    assert home.calls()[-1] == "systemctl --user reload clipd.service"


def test_a_folder_inside_a_root_is_not_added_and_one_around_it_is_refused(home: Home) -> None:
    photos = home.photos("Pictures")
    inner = home.photos("Pictures/2024")
    home.setup(photos)
    before = home.config.read_text()

    inside = home.setup(inner)
    around = home.setup(home.path)

    assert inside.exit_code == 0
    assert f"{inner} is watched already" in inside.stdout
    assert around.exit_code == 2
    assert f'contains roots[1].path = "{photos}"' in around.stderr
    assert home.config.read_text() == before


def test_the_model_is_changed_in_its_place(home: Home) -> None:
    photos = home.photos("Pictures")
    home.setup(photos)
    fresh = home.config.read_text()

    home.setup("--model", "pocket")

    tiny = home.config.read_text()
    assert tiny == fresh.replace('#name = "ViT-B-32-256"', 'name = "pocket"')
    home.config.write_text(tiny.replace('name = "pocket"', 'name = "pocket"  # for now'))
    home.setup("--model", "clip-vit-base-patch32")
    assert 'name = "clip-vit-base-patch32"  # for now' in home.config.read_text()


def test_a_config_without_the_table_gets_it(home: Home) -> None:
    home.config.parent.mkdir(parents=True)
    home.config.write_text(f'[[roots]]\npath = "{home.photos("Pictures")}"')

    assert home.setup("--model", "pocket").exit_code == 0

    assert load_config(home.config).model.name == "pocket"
    assert len(home.roots()) == 1


def test_a_layout_of_the_users_own_is_kept(home: Home) -> None:
    first, second = home.photos("Pictures"), home.photos("Archive")
    home.config.parent.mkdir(parents=True)
    home.config.write_text(
        f"model = {{ name = 'x' }} # mine\nroots = [\n    {{ path = '{first}' }}, # good\n]\n"
    )

    done = home.setup(second, "--model", "pocket")

    assert done.exit_code == 0, done.stderr
    assert home.config.read_text() == (
        f"model = {{ name = \"pocket\" }} # mine\nroots = [\n    {{ path = '{first}' }}, # good\n"
        f'    {{path = "{second}"}},\n]\n'
    )
    assert home.roots() == [first, second]


def test_the_keys_of_the_former_model_go_with_it(home: Home) -> None:
    home.config.parent.mkdir(parents=True)
    rest = f'[[roots]]\npath = "{home.photos("Pictures")}"\n'
    home.config.write_text(f'[model]\nname = "ViT-B-32"\npretrained = "openai"\n{rest}')

    assert home.setup("--model", "pocket").exit_code == 0

    assert home.config.read_text() == f'[model]\nname = "pocket"\n{rest}'


@pytest.mark.slow
def test_a_model_that_does_not_exist_changes_nothing(home: Home) -> None:
    photos = home.photos("Pictures")

    first = home.setup(photos, "--model", f"{IN_THE_BOX}x")
    assert not home.config.exists()
    home.setup(photos)
    home.calls()
    before = home.config.read_text()
    again = home.setup(photos, "--model", f"{IN_THE_BOX}x")

    for failed in (first, again):
        assert failed.exit_code == 2
        assert f"did you mean '{IN_THE_BOX}'" in failed.stderr
    assert home.config.read_text() == before
    assert home.calls() == []


def test_offline_it_takes_the_model_in_the_box_and_says_how_to_change_later(home: Home) -> None:
    done = home.whole_setup("--offline", home.photos("Pictures"), HF_ENDPOINT=NO_NETWORK)

    assert done.exit_code == 0, done.stderr
    assert load_config(home.config).model == ModelConfig(name=IN_THE_BOX)
    assert f"model    {IN_THE_BOX} is here: " in done.stdout
    assert f"clipd model use {ModelConfig().name}" in done.stdout
    assert home.calls()[-1] == "systemctl --user start clipd.service"


def test_offline_and_another_model_contradict_each_other(home: Home) -> None:
    failed = home.setup("--offline", "--model", "ViT-B-32-256", home.photos("Pictures"))

    assert failed.exit_code == 2
    assert not home.config.exists()


@pytest.mark.slow
def test_without_a_network_and_nobody_to_ask_the_command_to_type_is_named(home: Home) -> None:
    photos = home.photos("My Pictures")

    failed = home.whole_setup(photos, HF_ENDPOINT=NO_NETWORK)

    assert failed.exit_code == 4
    assert failed.stderr.count("\n") == 1
    command = failed.stderr.strip().rpartition(": ")[2]
    assert command == f"clipd setup --offline '{photos}'"
    assert home.calls() == []
    done = home.whole_setup(*shlex.split(command)[2:], HF_ENDPOINT=NO_NETWORK)
    assert done.exit_code == 0, done.stderr
    assert load_config(home.config).model.name == IN_THE_BOX


@pytest.mark.slow
def test_a_model_that_cannot_be_fetched_does_not_take_the_place_of_another(home: Home) -> None:
    photos = home.photos("Pictures")
    home.whole_setup("--offline", photos)
    home.calls()
    before = home.config.read_text()

    failed = home.whole_setup("--model", "ViT-B-32-256", photos, HF_ENDPOINT=NO_NETWORK)

    assert failed.exit_code == 4
    assert home.config.read_text() == before
    assert home.calls() == []


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["y", "n"])
def test_without_a_network_a_terminal_is_asked(home: Home, answer: str) -> None:
    home.photos("Pictures")

    done = on_terminal(home, f"{answer}\n", "--no-service", "Pictures", HF_ENDPOINT=NO_NETWORK)

    assert "cannot fetch the model" in done.stdout
    assert f"Go on with the model that comes with clipd, {IN_THE_BOX}" in done.stdout
    assert load_config(home.config).model.name == (
        IN_THE_BOX if answer == "y" else ModelConfig().name
    )
    assert done.returncode == (0 if answer == "y" else 4)
    assert ("clipd run" in done.stdout) == (answer == "y")


def test_a_symlinked_config_stays_a_symlink(home: Home) -> None:
    dotfiles = home.photos("dotfiles") / "clipd.toml"
    dotfiles.write_text(f'[[roots]]\npath = "{home.photos("Pictures")}"\n')
    home.config.parent.mkdir(parents=True)
    home.config.symlink_to(dotfiles)

    assert home.setup(home.photos("Archive")).exit_code == 0

    assert home.config.is_symlink()
    assert len(load_config(dotfiles).roots) == 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "which folders?"),
        (["Pictrues"], "there is no folder Pictrues"),
        ([b"caf\xe9".decode(errors="surrogateescape")], "not UTF-8"),
    ],
)
def test_a_folder_that_cannot_be_is_refused_and_nothing_is_written(
    home: Home, arguments: list[str], complaint: str
) -> None:
    os.mkdir(os.fsencode(home.path) + b"/caf\xe9")

    done = home.setup(*arguments)

    assert done.exit_code == 4
    assert complaint in done.stderr
    assert not home.config.exists()
    assert home.calls() == []


def test_a_broken_config_is_not_touched(home: Home) -> None:
    home.config.parent.mkdir(parents=True)
    home.config.write_text("[[roots]\n")

    done = home.setup(home.photos("Pictures"))

    assert done.exit_code == 2
    assert "not valid TOML" in done.stderr
    assert home.config.read_text() == "[[roots]\n"


def test_without_a_systemd_it_says_how_to_start(home: Home) -> None:
    (home.log / "fail-show").touch()

    done = home.setup(home.photos("Pictures"))

    assert done.exit_code == 0, done.stderr
    assert "no systemd answers" in done.stdout
    assert "clipd run" in done.stdout
    assert not home.unit.exists()


def test_without_namespaces_the_hardening_that_needs_them_is_taken_out_again(home: Home) -> None:
    photos = home.photos("Pictures")
    drop_in = home.unit.with_name("clipd.service.d") / "50-no-namespaces.conf"
    (home.log / "fail-true").touch()

    home.setup(photos)
    assert "PrivateUsers=no" in drop_in.read_text()

    (home.log / "fail-true").unlink()
    home.calls()
    home.setup(photos)
    assert not drop_in.exists()
    assert "systemctl --user restart clipd.service" in home.calls()


def test_a_service_that_does_not_start_is_an_error_with_the_next_command(home: Home) -> None:
    (home.log / "fail-start").touch()

    done = home.setup(home.photos("Pictures"))

    assert done.exit_code == 4
    assert "Job failed: start." in done.stderr
    assert "journalctl --user --unit=clipd.service" in done.stderr


def test_the_unit_starts_this_clipd_with_the_folders_of_this_shell(home: Home) -> None:
    state = home.photos('a "state" of 100%')

    done = home.setup(home.photos("Pictures"), XDG_STATE_HOME=str(state))

    assert done.exit_code == 0, done.stderr
    lines = home.unit.read_text().splitlines()
    (start,) = [each for each in lines if each.startswith("ExecStart=")]
    assert start.split()[0].removeprefix("ExecStart=").startswith(str(Path(sys.executable).parent))
    assert start.endswith(" run")
    escaped = str(state).replace("%", "%%").replace('"', '\\"')
    assert f'Environment="XDG_STATE_HOME={escaped}"' in lines
    writable = f'"-{escaped}/clipd" -{home.path}/.cache/clipd -{home.path}/.local/share/clipd'
    assert f"ReadWritePaths={writable}" in lines


def test_a_config_elsewhere_is_written_there_and_named_in_the_unit(home: Home) -> None:
    file = home.path / "elsewhere" / "clipd.toml"

    done = home.setup(home.photos("Pictures"), "--config", file)

    assert done.exit_code == 0, done.stderr
    assert load_config(file).roots
    assert f" run --config {file}\n" in home.unit.read_text()
    assert not home.config.exists()


def test_no_service_leaves_systemd_alone(home: Home) -> None:
    done = home.setup(home.photos("Pictures"), "--no-service")

    assert done.exit_code == 0, done.stderr
    assert not (home.log / "calls").exists()
    assert not home.unit.exists()
    assert "clipd run" in done.stdout


def test_on_a_terminal_it_asks_for_the_folder_and_suggests_the_users_own(home: Home) -> None:
    pictures = home.photos("Bilder")
    (home.path / ".config").mkdir()
    (home.path / ".config/user-dirs.dirs").write_text('XDG_PICTURES_DIR="$HOME/Bilder"\n')
    done = on_terminal(home, "\n", "--no-fetch", "--no-service")

    assert done.returncode == 0, done.stderr
    assert f"[{pictures}]" in done.stdout
    assert home.roots() == [pictures]


def on_terminal(
    home: Home, typed: str, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run ``clipd setup`` with a terminal as its standard input, in which somebody has typed."""
    ours, theirs = os.openpty()
    own = {"HOME": str(home.path), "PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin"}
    try:
        os.write(ours, typed.encode())
        return subprocess.run(
            [sys.executable, "-m", "clipd", "setup", *arguments],
            env=own | environment,
            cwd=home.path,
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=120,
        )
    finally:
        os.close(ours)
        os.close(theirs)
