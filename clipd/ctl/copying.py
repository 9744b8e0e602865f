"""``clipctl copy``."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from clipd.ctl.command_group import json_option
from clipd.ctl.completing import PhotoWord, complete_folder
from clipd.ctl.failures import DONE, FAILED, NOTHING
from clipd.ctl.last_list import ListedPhoto
from clipd.ctl.output import emit_json, emit_lines, say
from clipd.ctl.photo_copies import CopyReport, copy_photos
from clipd.ctl.whereabouts import absence, chosen_files
from clipd.errors import RequestError
from clipd.json_types import JsonObject, JsonValue
from clipd.pathtext import one_line, path_fields, shown


@click.command()
@click.argument("photos", nargs=-1, required=True, type=PhotoWord())
@click.argument(
    "folder", metavar="DIR", type=click.Path(path_type=bytes), shell_complete=complete_folder
)
@click.option("--link", is_flag=True, help="Make symbolic links, which take no room.")
@json_option
def copy(photos: tuple[bytes, ...], folder: bytes, link: bool, as_json: bool) -> int:
    """Copy photos into a folder, which is made where it is not there.

    \b
      clipctl copy @1-10 ~/Desktop/calendar
      clipctl copy @all ~/Pictures/beach.jpg /media/me/stick
      clipctl copy --link @all /tmp/look

    Nothing is overwritten: a second DSC_0001.jpg becomes "DSC_0001 (2).jpg", and what lies
    there already, byte for byte, is not copied again. Prints the new paths.
    """
    report = copy_photos(_files(chosen_files(photos)), os.path.abspath(folder), is_link=link)
    if as_json:
        emit_json(_report_json(report))
    else:
        emit_lines(one_line(shown(made)) for _, made in report.copied)
        for photo, reason in report.passed_over:
            say(f"passed over {shown(photo.path)}: {reason}")
        say(_summary(report, folder))
    if report.has_failures:
        return FAILED
    return DONE if report.copied or report.there_already else NOTHING


def _files(photos: Sequence[ListedPhoto]) -> list[ListedPhoto]:
    """Return the photos, each once; a single one that is not there is refused."""
    if len(photos) == 1 and (photos[0].is_far or not os.path.lexists(photos[0].path)):
        raise RequestError("no_such_file", absence(photos[0]), 404)
    return list(dict.fromkeys(photos))


def _summary(report: CopyReport, folder: bytes) -> str:
    counts = [
        (len(report.copied), "copied"),
        (len(report.there_already), "there already"),
        (len(report.passed_over), "passed over"),
    ]
    words = ", ".join(f"{count:,} {what}" for count, what in counts if count) or "0 copied"
    return f"{words}; in {shown(folder)}"


def _report_json(report: CopyReport) -> JsonObject:
    copied: list[JsonValue] = [
        {**path_fields(photo.path), **path_fields(made, "copy")} for photo, made in report.copied
    ]
    there: list[JsonValue] = [
        {**path_fields(photo.path), **path_fields(found, "copy")}
        for photo, found in report.there_already
    ]
    passed_over: list[JsonValue] = [
        {**path_fields(photo.path), "reason": reason} for photo, reason in report.passed_over
    ]
    return {"copied": copied, "there_already": there, "passed_over": passed_over}
