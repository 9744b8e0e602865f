"""Figures stand while the catalog cannot be asked."""

from __future__ import annotations

from pathlib import Path

from clipd.daemon.figures import CatalogFigures
from clipd.store.view import StoreView
from tests.store.stock import Stock


def test_figures_stand_while_the_catalog_cannot_be_asked(tmp_path: Path) -> None:
    with Stock(tmp_path) as stock:
        stock.fill(3)
        stored = StoreView(stock.spec, stock.model, stock.reader, stock.follower())
        figures = CatalogFigures(stored)
        before = figures.counts(), figures.root_counts()
        assert (before[0].photos, figures.trouble) == (3, "")
        away = stock.file.rename(stock.file.with_name("away"))
        stock.reader.close()  # a new connection has to be opened for each question

        assert (figures.counts(), figures.root_counts()) == before
        assert "cannot be opened" in figures.trouble

        away.rename(stock.file)
        assert figures.counts() == before[0]
        assert figures.trouble == ""
