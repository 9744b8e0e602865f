"""``clipd vectors``: what was encoded on one machine, taken along to another.

What a command needs is imported by that command.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

import click

from clipd.cli.config_option import config_option
from clipd.cli.model_command import wanted_model
from clipd.cli.progress import showing_progress
from clipd.config.folders import Paths
from clipd.ctl import failures
from clipd.ctl.command_group import CommandGroup, json_option
from clipd.ctl.output import emit_json
from clipd.errors import ClipdError, VectorFileError
from clipd.json_types import JsonValue
from clipd.photo import ModelSpec

_REFUSED_SHOWN = 5


@click.group(cls=CommandGroup)
def vectors() -> None:
    """Take what was encoded on one machine along to another.

    \b
    Examples:
      clipd vectors export photos.npz      there, where the photos were encoded
      clipd vectors import photos.npz      here, where the same photos lie
    """


@vectors.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace FILE where there is one.")
@click.option("--model", metavar="NAME", help="Of this model, or `next`: of the configured one.")
@config_option
@json_option
def export(
    file: Path, force: bool, model: str | None, config_file: Path | None, as_json: bool
) -> None:
    """Write the vectors of the photos into FILE, which numpy opens, too.

    clipd may run meanwhile. FILE holds paths, dates and hashes of your photos, no pictures: about
    1.2 KB for each with a model of 512 dimensions.

    \b
    Examples:
      clipd vectors export photos.npz
      clipd vectors export --force /media/stick/photos.npz
      clipd vectors export --model next photos.npz     while the model changes
    """
    from clipd.store.backup import CATALOG
    from clipd.store.vector_export import export_vectors

    if file.exists() and not force:
        raise VectorFileError(f"{file} is there already; name another file, or add --force")
    paths = Paths.of()

    def configured() -> ModelSpec:
        from clipd.encode.models import resolve

        return resolve(wanted_model("", "", config_file), paths.models, paths.cache)

    def pretrained(fingerprint: str) -> str:
        with suppress(ClipdError):  # it only describes the model
            spec = configured()
            return spec.pretrained if spec.fingerprint == fingerprint else ""
        return ""

    if model == "next":
        model = configured().fingerprint
    with showing_progress(f"writing {file.name}", sys.stderr) as progress:
        done = export_vectors(paths.state / CATALOG, file, pretrained, progress, model)
    if as_json:
        emit_json(
            {
                "ok": True,
                "file": str(file),
                "model": done.model.name,
                "photos": done.photos,
                "damaged": done.damaged,
            }
        )
        return
    click.echo(f"{file}: the vectors of {done.photos:,} photos, made with {done.model.name}")
    if done.damaged:
        click.echo(
            f"clipd: {done.damaged:,} vectors are damaged and left out; see: clipctl verify",
            err=True,
        )


@vectors.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--trust", is_flag=True, help="Take files for photos by path, size and time, unread.")
@click.option(
    "--from",
    "moves",
    metavar="OLD=NEW",
    multiple=True,
    help="With --trust: what lay in the folder OLD lies in NEW here; may be repeated.",
)
@config_option
@json_option
def import_(
    file: Path, trust: bool, moves: tuple[str, ...], config_file: Path | None, as_json: bool
) -> int:
    """Take in the vectors of FILE, which were made elsewhere with the model in use here.

    FILE is what clipd vectors export wrote, or the folder that clipd bulk encode filled.

    Photos are known by their content, wherever they lie and whatever they are called: a file that
    clipd finds later, too, is then read once, and neither decoded nor encoded. Vectors that no
    file asks for are kept as long as those of deleted photos (store.keep).

    With --trust not even that, where a file lies at the path that FILE says and has the size and
    the time of change that it says. Nobody then compares the content, but clipctl verify --deep.

    It may be interrupted: run again, it goes on where it was. Ends with 4 when a vector was
    refused; the others are taken in.

    \b
    Examples:
      clipd vectors import photos.npz
      clipd vectors import vectors/
      clipd vectors import --trust --from /home/ann/Pictures=/srv/photos photos.npz
    """
    from clipd.cli.vector_import import import_vectors

    if moves and not trust:
        raise click.UsageError("--from is of use with --trust only: photos are known by content")
    trusted = dict(map(_move, moves)) if trust else None
    configured = wanted_model("", "", config_file)
    with showing_progress(f"taking in {file.name}", sys.stderr) as progress:
        found = import_vectors(file, configured, Paths.of(), trusted, progress)
    code = failures.FAILED if found.refused else failures.DONE
    if as_json:
        reasons: list[JsonValue] = [*found.reasons]
        emit_json(
            {
                "ok": not found.refused,
                "taken": found.taken,
                "known": found.known,
                "placed": found.placed,
                "refused": found.refused,
                "reasons": reasons,
            }
        )
        return code
    unread = f", {found.placed:,} files taken unread" if trust else ""
    click.echo(f"{found.taken:,} taken in, {found.known:,} known already{unread}")
    shown = found.reasons[:_REFUSED_SHOWN]
    for reason in shown:
        click.echo(f"clipd: refused: {reason}", err=True)
    if found.refused > len(shown):
        click.echo(f"clipd: refused: {found.refused - len(shown):,} more", err=True)
    return code


def _move(text: str) -> tuple[bytes, bytes]:
    there, equals, here = text.partition("=")
    if not equals or not os.path.isabs(there) or not os.path.isabs(here):
        raise click.UsageError(f"--from {text}: write it as OLD=NEW, two folders from / on")
    return os.fsencode(os.path.normpath(there)), os.fsencode(os.path.normpath(here))
