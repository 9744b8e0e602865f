import re
from dataclasses import replace
from pathlib import Path

import pytest

from clipd.pocket.photo_exam import PhotoFigures
from clipd.pocket.scenes import SCENES
from clipd.pocket.vocabulary import SILENT, known_phrases
from clipd.pocket.weights import HERE

CARD = (HERE / "CARD.md").read_text()


def test_the_card_counts_words_and_scenes_right() -> None:
    known = CARD[CARD.index("## What it knows") : CARD.index("## What it does not know")]
    assert f"{len(SCENES)} things and places" in known
    assert f"- {len(known_phrases() - SILENT):,} words and phrases" in known


def test_every_figure_on_the_card_that_misses_its_bar_is_named_as_such() -> None:
    rows = re.findall(r"^\| (.*) \| (\d\.\d+) \| (\d\.\d+) \|$", CARD, re.MULTILINE)
    assert len(rows) == 11
    for text, figure, bar in rows:
        assert (f"\n- {text}\n" in CARD) == (float(figure) < float(bar)), text


@pytest.mark.slow
def test_the_report_writes_its_figures_into_the_card_and_touches_nothing_else(
    tmp_path: Path,
) -> None:
    from clipd.pocket import exam, report

    card = tmp_path / "CARD.md"
    card.write_text(CARD)
    table = report.as_table(exam.Figures(0.5, 0.25, 0.125, 1.0, 0.5), None)
    report.write_card(table, card)
    report.write_card(table, card)
    before, after = CARD.split("<!-- figures -->")[0], CARD.split("<!-- end of figures -->")[1]
    assert card.read_text().startswith(before)
    assert card.read_text().endswith(after)
    assert "| 0.125 | 0.75 |" in card.read_text()
    good = exam.Figures(0.9, 0.95, 0.8, 0.95, 0.95)
    assert report.passes(good, None)
    assert not report.passes(replace(good, presence=0.94), None)
    bad = PhotoFigures(51, 0.44, 0.9, 0.9, 0.9, 0.9, 0.95)
    assert not report.passes(good, bad)
