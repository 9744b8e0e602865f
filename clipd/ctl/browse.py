"""``clipctl browse``."""

from __future__ import annotations

import getpass
import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click

from clipd.ctl.client import Client
from clipd.ctl.desktop import open_by_desktop
from clipd.ctl.output import emit_json, emit_lines, say
from clipd.errors import ClipdError
from clipd.json_types import JsonObject

_ENTRY_SECONDS = 30  # for a browser to start
_FAR_ENTRY_SECONDS = 300  # for somebody to type two lines


_OTHERWISE = "clipctl browse --no-open prints the file, for a browser that you start yourself"


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
    Over ssh it says what to type where your browser is, and waits five minutes.
    """
    Client().ping()  # a page of a clipd that does not run would be an empty one
    connection = os.environ.get("SSH_CONNECTION", "").split()
    page = _start(" ".join(query), _FAR_ENTRY_SECONDS if connection else _ENTRY_SECONDS)
    if as_json:
        emit_json(page)
    elif no_open:
        emit_lines([str(page["file"])])
    if connection:
        _say_way(connection, page)
    elif not no_open and not as_json:
        open_by_desktop(os.fsencode(str(page["file"])), _OTHERWISE)


def _say_way(connection: list[str], page: JsonObject) -> None:
    """Say how a browser at the other end of an ssh session gets to the page.

    The address has the word of entry in it. It is shown to the terminal of the one who asked, and
    is in no command line.

    Args:
        connection: address and port of the client, then of the server (ssh(1)).
    """
    host, port = connection[2:4] if len(connection) == 4 else ("THIS-MACHINE", "22")
    way = f"-L {page['port']}:127.0.0.1:{page['port']}"
    at = "" if port == "22" else f" -p {port}"
    say("this is a session over ssh. Where your browser is, run")
    say(f"  ssh -N {way}{at} {getpass.getuser()}@{host}")
    say("and within five minutes open there, once,")
    say(f"  {_address_in(str(page['file']))}")


def _address_in(file: str) -> str:
    """Return the address to which the file of entry leads."""
    found = re.search('url=([^"]+)', Path(file).read_text())
    return html.unescape(found[1]) if found else file


def _start(query: str, entry_seconds: float) -> JsonObject:
    """Start a page as a process of the session; return where it is.

    Raises:
        ClipdError: it did not start.
    """
    process = subprocess.Popen(
        # -P: what lies in the folder that somebody is in is never imported.
        [sys.executable, "-P", "-m", "clipd.page", f"--entry={entry_seconds}", "--", query],
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
