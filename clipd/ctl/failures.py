"""How the commands of both programs end when they do not end well: one sentence, and a code.

0  done, found                     3  clipd does not run
1  nothing found                   4  refused, or failed
2  wrong usage, query or           130  Ctrl-C
   configuration
"""

from __future__ import annotations

from collections.abc import Mapping

from clipd.ctl.output import emit_json, say
from clipd.errors import (
    ClipdError,
    ConfigError,
    NotRunningError,
    QueryError,
    RequestError,
    WrongModelError,
    code_of,
)
from clipd.json_types import JsonObject

DONE, NOTHING, WRONG, NOT_RUNNING, FAILED = range(5)
INTERRUPTED = 130
# The unit's RestartPreventExitStatus= names the 2: trying again would not help.
_WRONG = (ConfigError, WrongModelError, QueryError)
_BAD_REQUEST = 400  # HTTP's word for a request whose sender has to change it


def exit_code(error: ClipdError) -> int:
    """Return the code that a command ends with."""
    if isinstance(error, NotRunningError):
        return NOT_RUNNING
    if isinstance(error, _WRONG) or (
        isinstance(error, RequestError) and error.status == _BAD_REQUEST
    ):
        return WRONG
    return FAILED


def tell(
    error: ClipdError, program: str, *, as_json: bool, following: Mapping[str, str] | None = None
) -> int:
    """Say what went wrong; return the exit code.

    Args:
        program: whose error it is.
        as_json: whether the results were wanted as JSON, which the refusal is then, too.
        following: what to type next, by the code of a refusal whose sentence does not say it.
    """
    code = code_of(error)
    hint = (following or {}).get(code)
    sentence = f"{error}; next: {hint}" if hint else str(error)
    for line in sentence.splitlines():
        say(line, program)
    if as_json:
        tell_json(code, sentence, error.span if isinstance(error, QueryError) else None)
    return exit_code(error)


def tell_json(code: str, message: str, span: tuple[int, int] | None = None) -> None:
    """Print a refusal for scripts, in the shape of those of the API."""
    error: JsonObject = {"code": code, "message": message}
    if span is not None:
        error["span"] = [*span]
    emit_json({"error": error})
