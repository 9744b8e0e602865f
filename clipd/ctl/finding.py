"""``clipctl search`` and ``clipctl similar``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from clipd.ctl.answer_form import AnswerForm, print_answer
from clipd.ctl.answer_wait import MODEL_SECONDS, PING_SECONDS
from clipd.ctl.client import Client
from clipd.ctl.completing import PhotoWord, complete_query, where_we_are
from clipd.ctl.last_list import ListedPhoto, chosen_photos, last_list
from clipd.ctl.output import (
    draw_line,
    erase_line,
    is_lively,
    path_value,
)
from clipd.ctl.query_words import query_of, split_options, weighted_phrase
from clipd.errors import ClipdError, QueryError, RequestError
from clipd.json_types import JsonObject

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# The daemon finds no such photo, or can make no picture of it: what it cannot see (its unit
# hides folders from it) or open, we may.
UPLOADABLE = (404, 422)
_COMPARED = ("rating", "mp", "size", "width", "height", "score", "raw")  # with > and <
_STANDARD_INPUT = "-"


class SearchCommand(click.Command):
    """A command whose words may start with a dash: ``cat -people``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Hand click the options, and the words behind two dashes."""
        takes_value = {
            name: not parameter.is_flag
            for parameter in self.params
            if isinstance(parameter, click.Option)
            for name in parameter.opts
        }
        options, words, is_verbatim = split_options(args, takes_value)
        ctx.meta["is_verbatim"] = is_verbatim
        return super().parse_args(ctx, [*options, "--", *words])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete filters behind a minus besides options."""
        return super().shell_complete(ctx, incomplete) or complete_query(
            ctx, self.params[0], incomplete
        )


def _limits(command: click.Command) -> click.Command:
    options = (
        click.Option(
            ["-n", "--limit"],
            type=click.IntRange(1, 10_000),
            metavar="N",
            help="At most N hits (20 unless configured).",
        ),
        click.Option(
            ["--min-score"],
            type=click.FloatRange(-1, 1),
            metavar="S",
            help="Only hits of at least this score, -1 to 1.",
        ),
        click.Option(["--json", "as_json"], is_flag=True, help="JSON, for scripts; refusals, too."),
        click.Option(
            ["-0", "--null", "null"],
            is_flag=True,
            help="Only the paths, exact, each ended by NUL: for xargs -0.",
        ),
        click.Option(
            ["--preview"],
            type=click.Choice(["auto", "on", "off"]),
            default="auto",
            envvar="CLIPD_PREVIEW",
            show_envvar=True,
            show_default=True,
            help="Show pictures: auto if the terminal draws pixels, on else in half blocks.",
        ),
    )
    command.params.extend(options)
    return command


@contextmanager
def searching() -> Iterator[Client]:
    """Make a client that waits for as long as a model may take, and says so on a terminal."""
    line = WaitingLine()
    try:
        yield Client(seconds=MODEL_SECONDS, on_silence=line.draw)
    finally:
        line.erase()


class WaitingLine:
    """Says on a terminal what a search waits for."""

    def __init__(self) -> None:
        self._is_drawn = False

    def draw(self) -> None:
        """Ask clipd what it does, and say it."""
        if not is_lively(sys.stderr):
            return
        try:
            encoder = Client(seconds=PING_SECONDS).get("/v1/status").get("encoder")
        except ClipdError:
            return  # whoever waits for the answer will find out
        if not isinstance(encoder, dict):
            return
        waking = f"{encoder.get('doing') or 'waking the model'}..."
        self._is_drawn = True
        draw_line("searching..." if encoder.get("state") == "ready" else waking)

    def erase(self) -> None:
        """Take the line back before the hits are printed."""
        if self._is_drawn:
            erase_line()


@_limits
@click.command(cls=SearchCommand)
@click.argument("query", nargs=-1, required=True, shell_complete=complete_query)
@click.option("--explain", is_flag=True, help="Say how the query was read.")
@click.option("--anyway", is_flag=True, help="Also what hardly looks like it.")
@click.option("--members", is_flag=True, help="Below each best of a burst, the others of it.")
@click.option("--page", type=click.IntRange(1, 1000), default=1, metavar="P", help="The Pth page.")
@click.option("--after", metavar="NEXT", help='The page after the one whose JSON has this "next".')
@click.option("--plus", multiple=True, metavar="TEXT[:W]", help='As "TEXT"^W in the query.')
@click.option("--minus", multiple=True, metavar="TEXT[:W]", help='As -"TEXT"^W in the query.')
@click.pass_context
def search(
    ctx: click.Context,
    query: tuple[str, ...],
    plus: tuple[str, ...],
    minus: tuple[str, ...],
    page: int,
    after: str | None,
    limit: int | None,
    min_score: float | None,
    explain: bool,
    anyway: bool,
    members: bool,
    as_json: bool,
    null: bool,
    preview: str,
) -> int:
    """Find photos by what they show, when and where they were taken, and how they are kept.

    \b
      clipctl search "sunset over water"
      clipctl search beach -people on:2019 in:~/Pictures
      clipctl search birthday cake type:jpeg sort:date
      clipctl search like:@3 -snow
      clipctl search dog unique:burst --members
      clipctl search -0 cake | xargs -0 cp -t /tmp/cakes

    A word with a minus pushes away what it names; key:value narrows; quotes keep words together.
    "-" reads the query from standard input, and all behind "--" is the query. What there is:
    docs/queries.md. Also without the word: clipctl sunset over water.

    On a terminal hits are numbered: @3 stands for the third from then on. Elsewhere a score and
    a path a line, best first, and a third column "offline" where the photo's drive is not there.
    Ends with 1 when nothing is found.
    """
    is_input = query == (_STANDARD_INPUT,) and not ctx.meta["is_verbatim"]
    text = _read_query() if is_input else query_of(query)
    more = [weighted_phrase(one, 1) for one in plus] + [weighted_phrase(one, -1) for one in minus]
    asked = _surroundings(" ".join([text, *more]))
    asked |= {"explain": True} if explain else {}
    asked |= {"anyway": True} if anyway else {}
    asked |= {"members": True} if members else {}
    asked |= {"after": after} if after else {}
    with searching() as client:
        answer = _page(client, asked | _limit_values(limit, min_score), page)
    form = AnswerForm(as_json, null, preview)
    return print_answer(answer, form, explain=explain, page=page)


@_limits
@click.command()
@click.argument("pictures", nargs=-1, required=True, type=PhotoWord())
def similar(
    pictures: tuple[bytes, ...],
    limit: int | None,
    min_score: float | None,
    as_json: bool,
    null: bool,
    preview: str,
) -> int:
    """Find photos that look like a picture, which may lie anywhere; or like several at once.

    \b
      clipctl similar @3                        the third of the last list
      clipctl similar ~/Pictures/beach.jpg
      clipctl similar /tmp/download.png -n 5 --json
      curl https://... | clipctl similar -      a picture from standard input
    """
    limits = _limit_values(limit, min_score)
    if os.fsencode(_STANDARD_INPUT) in pictures:
        answer = _uploaded(pictures, limits)
    else:
        chosen = chosen_photos(pictures)
        try:
            asked: JsonObject = {"terms": [_photo_term(photo) for photo in chosen]}
            with searching() as client:
                answer = client.post("/v1/search", asked | limits)
        except RequestError as error:
            if error.status not in UPLOADABLE:
                raise
            answer = _uploaded([photo.path for photo in chosen], limits)
    return print_answer(answer, AnswerForm(as_json, null, preview))


def _photo_term(photo: ListedPhoto) -> JsonObject:
    return path_value(photo.path) if photo.photo is None else {"photo": photo.photo}


def _uploaded(pictures: Sequence[bytes], limits: JsonObject) -> JsonObject:
    from clipd.ctl.picture_files import search_by_files

    with searching() as client:
        return search_by_files(client, pictures, limits)


def _read_query() -> str:
    """Read a query from standard input; its lines are one query."""
    if sys.stdin is None:
        return ""
    text = sys.stdin.buffer.read(1 << 20).decode("utf-8", "surrogateescape")
    return " ".join(text.split("\n")).strip()


def _surroundings(query: str) -> JsonObject:
    """Return a query with what it depends on: where we are, and the last list."""
    asked: JsonObject = {"q": query, **where_we_are()}
    if "@" in query:
        ids = [photo.photo for photo in last_list()]
        if None not in ids:
            asked["list"] = [*ids]
    return asked


def _page(client: Client, asked: JsonObject, page: int) -> JsonObject:
    """Ask for a page by way of those before it."""
    answer = _ask(client, asked)
    for _ in range(page - 1):
        following = answer.get("next")
        if not following:
            return answer | {"hits": [], "nothing": "there are no more pages", "next": None}
        answer = _ask(client, asked | {"after": following})
    return answer


def _ask(client: Client, asked: JsonObject) -> JsonObject:
    try:
        return client.post("/v1/search", asked)
    except QueryError as error:
        _point_at(str(asked["q"]), error.span)
        raise _with_hint(error) from error


def _point_at(query: str, span: tuple[int, int]) -> None:
    from clipd.ctl.text_width import terminal_columns
    from clipd.ctl.underline import underlined

    if sys.stderr is not None and span[1] > span[0]:
        for line in underlined(query, span, terminal_columns() - 2):
            print(f"  {line}", file=sys.stderr)


def _with_hint(error: QueryError) -> QueryError:
    """Say what may have happened to a comparison on its way through the shell."""
    key = str(error).partition(":")[0]
    if key not in _COMPARED or "has no value" not in str(error):
        return error
    hint = f"a shell takes > and < for itself: write {key}:4.. or '{key}:>=4'"
    return QueryError(f"{error}; {hint}", error.span)


def _limit_values(limit: int | None, min_score: float | None) -> JsonObject:
    values: JsonObject = {"limit": limit, "min_score": min_score}
    return {key: value for key, value in values.items() if value is not None}
