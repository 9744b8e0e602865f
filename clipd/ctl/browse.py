"""``clipctl browse``."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import click

from clipd.ctl.client import Client
from clipd.ctl.desktop import open_by_desktop
from clipd.ctl.output import emit_json, emit_lines, say
from clipd.errors import ClipdError
from clipd.json_types import JsonObject


@click.command()
@click.argument("query", nargs=-1)
@click.option("--no-open", is_flag=True, help="Print the file that leads to the page instead.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for scripts.")
def browse(query: tuple[str, ...], no_open: bool, as_json: bool) -> None:
    """Look at photos in the browser.

    \b
      clipctl browse
      clipctl browse beach on:2019
      clipctl browse --no-open

    The page is served on this machine alone, to the browser that is sent there, and ends after
    a quarter of an hour without use. The file that leads there works once, for half a minute.
    """
    Client().ping()  # a page of a clipd that does not run would be an empty one
    page = _start(" ".join(query))
    if as_json:
        emit_json(page)
    elif no_open:
        emit_lines([str(page["file"])])
    if os.environ.get("SSH_CONNECTION"):
        way = f"{page['port']}:127.0.0.1:{page['port']}"
        say(
            f"this is a session over ssh; where your browser is, run: ssh -L {way} THIS-MACHINE, "
            f"and open a copy of {page['file']} there within half a minute"
        )
    elif not no_open and not as_json:
        open_by_desktop(os.fsencode(str(page["file"])))


def _start(query: str) -> JsonObject:
    """Start a page as a process of the session; return where it is.

    Raises:
        ClipdError: it did not start.
    """
    process = subprocess.Popen(
        # -P: what lies in the folder that somebody is in is never imported.
        [sys.executable, "-P", "-m", "clipd.page", query],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdout is not None
    with process.stdout as said:
        line = said.readline()
    if not line:
        raise ClipdError(
            f"the page did not start; this says why: {sys.executable} -P -m clipd.page"
        )
    process.returncode = 0  # it goes on, and is nobody's child once this process has ended
    value: JsonObject = json.loads(line)
    return value
