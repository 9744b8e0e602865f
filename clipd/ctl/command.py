"""``clipctl``: the commands and their exit codes.

0 done, 1 refused or nothing found, 2 usage, 3 the daemon does not run, 4 the results cannot be
written, 130 Ctrl-C.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

import clipd
from clipd.ctl.command_group import CommandGroup
from clipd.ctl.output import say
from clipd.errors import ClipdError, NotRunningError, RequestError

# What to type next, by the code of a refusal whose sentence does not say it.
_NEXT = {
    "query_empty": 'clipctl search "sunset over water"',
    "internal": "journalctl --user -u clipd -e",
    "busy": "clipctl status",
    "too_many_connections": "clipctl status",
    "storage_full": "df -h",
}


# Each is imported when it is asked for: `clipctl search` does not pay for the others.
_COMMANDS = {
    "search": "clipd.ctl.finding:search",
    "similar": "clipd.ctl.finding:similar",
    "open": "clipd.ctl.desktop:open_photos",
    "show": "clipd.ctl.desktop:show",
    "copy": "clipd.ctl.copying:copy",
    "status": "clipd.ctl.state:status",
    "errors": "clipd.ctl.state:errors",
    "ping": "clipd.ctl.state:ping",
    "rescan": "clipd.ctl.acting:rescan",
    "pause": "clipd.ctl.acting:pause",
    "resume": "clipd.ctl.acting:resume",
    "completion": "clipd.ctl.acting:completion",
    "verify": "clipd.ctl.checking:verify",
}


@click.group(
    cls=CommandGroup,
    later=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(clipd.__version__, prog_name="clipctl")
def cli() -> None:
    """Search your photos by what they show.

    \b
      clipctl search "sunset over water"
      clipctl similar ~/Pictures/beach.jpg
      clipctl status --wait

    CLIPD_SOCKET points to the socket of another clipd.
    """


def main() -> NoReturn:
    """Run clipctl as the process."""
    # A parent that ignores SIGINT (nohup, a background job of a script) hands that on, and
    # Python leaves it so: a signal sent to us on purpose would then end nothing.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command; return the exit code."""
    try:
        code = cli.main(list(arguments), prog_name="clipctl", standalone_mode=False)
    except click.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except NotRunningError as error:
        say(str(error))
        return 3
    except ClipdError as error:
        say(_with_next(error))
        return 1
    return code if isinstance(code, int) else 0


def _with_next(error: ClipdError) -> str:
    following = _NEXT.get(error.code) if isinstance(error, RequestError) else None
    return f"{error}; next: {following}" if following else str(error)
