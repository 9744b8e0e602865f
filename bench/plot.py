"""A plot of bars as SVG, drawn with nothing but text."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from itertools import chain

_BAR, _GAP, _LEFT, _TOP, _HEIGHT = 46, 36, 24, 56, 220
_COLOURS = ("#9aa5b1", "#4c8bf5", "#0b57d0", "#083e94")


def bars(title: str, groups: Mapping[str, Mapping[str, float]]) -> str:
    """Return a plot with a bar for each value, its figure above and its name in a legend.

    Args:
        title: above the plot.
        groups: what stands together, with its values by name.
    """
    names = list(dict.fromkeys(chain.from_iterable(groups.values())))
    most = max(chain.from_iterable(group.values() for group in groups.values()))
    colour = dict(zip(names, _COLOURS * len(names), strict=False))
    drawn: list[str] = []
    left, floor = _LEFT, _TOP + _HEIGHT
    for label, group in groups.items():
        middle = left + _BAR * len(group) / 2
        drawn.append(_text(middle, floor + 20, label))
        for name, value in group.items():
            height = _HEIGHT * value / most
            drawn.append(
                f'<rect x="{left}" y="{floor - height:.1f}" width="{_BAR - 6}"'
                f' height="{height:.1f}" fill="{colour[name]}"/>'
            )
            drawn.append(_text(left + _BAR / 2 - 3, floor - height - 6, f"{value:.1f}"))
            left += _BAR
        left += _GAP
    for row, name in enumerate(names):
        x, y = left, _TOP + 24 * row
        drawn.append(f'<rect x="{x}" y="{y}" width="14" height="14" fill="{colour[name]}"/>')
        drawn.append(_text(x + 22, y + 12, name, "start"))
    width, height = left + 190, floor + 40
    head = _text(_LEFT, 26, title, "start")
    body = "\n".join(
        ["", f'<rect width="{width}" height="{height}" fill="#fff"/>', head, *drawn, ""]
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' font-family="sans-serif" font-size="13" fill="#222">{body}</svg>\n'
    )


def _text(x: float, y: float, words: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
