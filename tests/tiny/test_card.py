import re
from pathlib import Path

import pytest

from clipd.tiny.scenes import SCENES
from clipd.tiny.weights import HERE
from clipd.tiny.words import COLOURS

CARD = (HERE / "CARD.md").read_text()


def test_the_card_names_every_scene_and_counts_them_right() -> None:
    known = CARD[CARD.index("## What it knows") : CARD.index("## What it does not know")]
    assert [word for word in SCENES if not re.search(rf"[ ,:]{word}[,.]", known)] == []
    assert f"{len(SCENES)} things and places" in known
    assert len(COLOURS) == 11


def test_every_figure_on_the_card_reaches_its_bar() -> None:
    rows = re.findall(r"^\|.*\| (\d\.\d+) \| (\d\.\d+) \|$", CARD, re.MULTILINE)
    assert len(rows) == 4
    assert all(float(figure) >= float(bar) for figure, bar in rows)


@pytest.mark.slow
def test_the_report_writes_its_figures_into_the_card_and_touches_nothing_else(
    tmp_path: Path,
) -> None:
    from clipd.tiny import exam, report

    card = tmp_path / "CARD.md"
    card.write_text(CARD)
    table = report.as_table(exam.Figures(0.5, 0.25, 0.125, 1.0), None)
    report.write_card(table, card)
    report.write_card(table, card)
    before, after = CARD.split("<!-- figures -->")[0], CARD.split("<!-- end of figures -->")[1]
    assert card.read_text().startswith(before)
    assert card.read_text().endswith(after)
    assert "| 0.125 | 0.80 |" in card.read_text()
    assert not report.passes(exam.Figures(0.9, 0.95, 0.8, 0.94))
