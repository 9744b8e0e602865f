"""``clipctl search``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from clipd.ctl.answer_form import AnswerForm, print_answer
from clipd.ctl.completing import complete_query
from clipd.ctl.query_request import ask_for_page, read_query, with_surroundings
from clipd.ctl.query_words import query_of, split_options, weighted_phrase
from clipd.ctl.searching import libraries, limit_values, limits, searching

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

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


@limits
@libraries
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
    everywhere: bool,
    within: float,
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
      clipctl search --everywhere lighthouse

    A word with a minus pushes away what it names; key:value narrows; quotes keep words together.
    "-" reads the query from standard input, and all behind "--" is the query. What there is:
    docs/queries.md. Also without the word: clipctl sunset over water.

    On a terminal hits are numbered: @3 stands for the third from then on. Elsewhere a score and
    a path a line, best first, and a third column "offline" where the photo's drive is not there.
    Ends with 1 when nothing is found.
    """
    is_input = query == (_STANDARD_INPUT,) and not ctx.meta["is_verbatim"]
    text = read_query() if is_input else query_of(query)
    more = [weighted_phrase(one, 1) for one in plus] + [weighted_phrase(one, -1) for one in minus]
    asked = with_surroundings(" ".join([text, *more]))
    asked |= {"explain": True} if explain else {}
    asked |= {"anyway": True} if anyway else {}
    asked |= {"members": True} if members else {}
    asked |= limit_values(limit, min_score)
    if everywhere:
        from clipd.ctl.everywhere import ask_everywhere  # here, because most searches ask one

        answer, page = ask_everywhere(asked, page, after, within)
    else:
        asked |= {"after": after} if after else {}
        with searching() as client:
            answer = ask_for_page(client, asked, page)
    form = AnswerForm(as_json, null, preview)
    return print_answer(answer, form, explain=explain, page=page)
