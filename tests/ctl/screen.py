"""A terminal that draws: what is written to it becomes cells, and pictures that lie on them."""

from __future__ import annotations

import base64
import codecs
import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clipd.ctl.text_width import width_of

CELL = (10, 20)  # pixels
Rgb = tuple[int, int, int]
BLACK, WHITE = (0, 0, 0), (229, 229, 229)
_PART = re.compile(
    r"\x1b_(?P<apc>.*?)\x1b\\"
    r"|\x1b\](?P<osc>.*?)\x1b\\"
    r"|\x1b\[(?P<private>\??)(?P<numbers>[0-9;]*)(?P<final>[A-Za-z])"
    r"|\x1b(?P<escape>[78\\])"
    r"|(?P<text>[^\x1b])",
    re.DOTALL,
)
_CUBE = (0, 95, 135, 175, 215, 255)


@dataclass
class Cell:
    text: str = " "
    ink: Rgb = WHITE
    ground: Rgb = BLACK
    link: str = ""


@dataclass(frozen=True)
class Placed:
    """A picture on the screen."""

    line: int  # counted from the first that was ever written: it scrolls with it
    column: int
    pixels: NDArray[np.uint8]  # (height, width, 3), as it is shown


@dataclass
class Screen:
    """Lines that have scrolled away are kept, too."""

    columns: int = 80
    rows: int = 24
    cell: tuple[int, int] = CELL
    lines: list[list[Cell]] = field(default_factory=list)
    pictures: list[Placed] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)  # queries of graphics, and DA1
    unknown: list[str] = field(default_factory=list)  # what a terminal would not have understood
    broken: int = 0  # pictures that were broken off
    top: int = 0  # the first line that is to be seen
    line: int = 0
    column: int = 0
    ink: Rgb = WHITE
    ground: Rgb = BLACK
    _saved: tuple[int, int] = (0, 0)
    _link: str = ""
    _keys: dict[str, str] | None = None  # of a picture of which more is to come
    _content: str = ""
    _rest: str = ""
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=codecs.getincrementaldecoder("utf-8")
    )

    def write(self, piece: bytes) -> None:
        """Draw what a program has written, CR and LF as the driver of a terminal passes them on.

        A sequence may come in pieces; it is drawn when its last one has come.
        """
        self._rest += self._decoder.decode(piece)
        at = 0
        while part := _PART.match(self._rest, at):
            at = part.end()
            self._draw(part)
        self._rest = self._rest[at:]

    def close(self) -> None:
        """Take note of a sequence that never came to its end."""
        self.unknown += [self._rest] if self._rest else []

    def text(self) -> str:
        """Return the characters of all lines."""
        return "\n".join("".join(cell.text for cell in line).rstrip() for line in self.lines)

    def links(self) -> set[str]:
        """Return where links lead."""
        return {cell.link for line in self.lines for cell in line if cell.link}

    def pixels(self) -> NDArray[np.uint8]:
        """Paint all lines: half blocks as they are, other characters as a stroke, and pictures."""
        width, height = self.cell
        shape = (max(1, len(self.lines)) * height, self.columns * width, 3)
        painted = np.zeros(shape, np.uint8)
        for y, line in enumerate(self.lines):
            for x, cell in enumerate(line[: self.columns]):
                area = painted[y * height : (y + 1) * height, x * width : (x + 1) * width]
                area[:] = cell.ground
                if cell.text == "▀":
                    area[: height // 2] = cell.ink
                elif cell.text.strip():
                    area[height // 4 : -height // 4, 1:-1] = cell.ink
        for picture in self.pictures:
            y, x = picture.line * height, picture.column * width
            rest = painted[y : y + len(picture.pixels), x : x + picture.pixels.shape[1]]
            rest[:] = picture.pixels[: rest.shape[0], : rest.shape[1]]
        return painted

    def blocks_above(self, line: int, column: int, columns: int) -> NDArray[np.uint8]:
        """Return the pixels of the half blocks that end above a line, within some columns."""
        rows: list[list[Rgb]] = []
        while line > 0 and (
            cells := [
                cell for cell in self.lines[line - 1][column : column + columns] if cell.text == "▀"
            ]
        ):
            rows[:0] = [[cell.ink for cell in cells], [cell.ground for cell in cells]]
            line -= 1
        return np.array(rows, np.uint8)

    def places_of(self, ending: str) -> dict[str, tuple[int, int]]:
        """Return the line and column of each word that ends so."""
        found = {}
        for line, cells in enumerate(self.lines):
            text = "".join(cell.text or "\0" for cell in cells)
            for word in re.finditer(rf"\S*{re.escape(ending)}", text):
                found[word[0]] = (line, word.start())
        return found

    def save(self, file: Path) -> None:
        """Write what is painted, for people to look at."""
        Image.fromarray(self.pixels()).save(file)

    def _draw(self, part: re.Match[str]) -> None:
        if part["text"] is not None:
            self._put(part["text"])
        elif part["apc"] is not None:
            self._graphics(part["apc"])
        elif part["osc"] is not None:
            self._operate(part["osc"])
        elif part["escape"] is not None:
            self._escape(part["escape"])
        else:
            self._control(part)

    def _put(self, character: str) -> None:
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self._feed()
        elif not character.isprintable():
            self.unknown.append(character)
        else:
            if self.column >= self.columns:
                self.column = 0
                self._feed()
            row = self._row(self.line)
            room = width_of(character)
            while len(row) < self.column + room:
                row.append(Cell())
            row[self.column : self.column + room] = [
                Cell(character if at == 0 else "", self.ink, self.ground, self._link)
                for at in range(room)
            ]
            self.column += room

    def _feed(self) -> None:
        self.line += 1
        self.top = max(self.top, self.line - self.rows + 1)
        self._row(self.line)

    def _row(self, line: int) -> list[Cell]:
        while len(self.lines) <= line:
            self.lines.append([])
        return self.lines[line]

    def _operate(self, words: str) -> None:
        if words.startswith("8;;"):
            self._link = words[3:]
        else:
            self.unknown.append(words)

    def _escape(self, letter: str) -> None:
        if letter == "7":
            # A terminal keeps the place on the screen, not the line that lies there.
            self._saved = (self.line - self.top, self.column)
        elif letter == "8":
            self.line, self.column = self.top + self._saved[0], self._saved[1]

    def _control(self, part: re.Match[str]) -> None:
        numbers = [int(each or 0) for each in part["numbers"].split(";")]
        first = max(1, numbers[0])
        match part["private"] + part["final"]:
            case "A":
                self.line = max(self.top, self.line - first)
            case "B":
                self.line = min(self.top + self.rows - 1, self.line + first)
                self._row(self.line)
            case "G":
                self.column = first - 1
            case "K":
                del self._row(self.line)[self.column :]
            case "m":
                self._colour(numbers)
            case "c":
                self.asked.append("DA1")
            case other:
                self.unknown.append(other)

    def _colour(self, numbers: list[int]) -> None:
        while numbers:
            code = numbers.pop(0)
            if code == 0:
                self.ink, self.ground = WHITE, BLACK
            elif code in (38, 48):
                rgb = _taken_from(numbers)
                self.ink, self.ground = (rgb, self.ground) if code == 38 else (self.ink, rgb)
            elif code != 2:  # dim
                self.unknown.append(f"SGR {code}")

    def _graphics(self, words: str) -> None:
        if not words.startswith("G"):
            self.unknown.append(words)
            return
        head, _, content = words[1:].partition(";")
        keys = dict(each.split("=", 1) for each in head.split(","))
        if keys.get("a") == "q":
            self.asked.append(f"graphics {keys['i']}")
            return
        assert len(content) <= 4096
        assert keys.get("q") == "2", "an answer would be typed into the shell"
        if self._keys is None:
            self._keys, self._content = keys, ""
        self._content += content
        if keys.get("m", "0") == "0":
            whole, self._keys = self._keys, None
            if whole.get("a") == "T":
                self._place(whole, self._content)

    def _place(self, keys: dict[str, str], content: str) -> None:
        if not {"f", "o", "s", "v"} <= keys.keys():
            self.broken += 1
            return
        assert (keys["f"], keys["o"]) == ("24", "z")
        width, height = int(keys["s"]), int(keys["v"])
        try:
            rgb = zlib.decompress(base64.b64decode(content, validate=True))
        except (zlib.error, ValueError):
            self.broken += 1  # a terminal that was told to say nothing says nothing
            return
        picture = Image.frombytes("RGB", (width, height), rgb)  # which checks the length
        if "c" in keys:
            size = (int(keys["c"]) * self.cell[0], int(keys["r"]) * self.cell[1])
            picture = picture.resize(size)
        across, down = -(-picture.width // self.cell[0]), -(-picture.height // self.cell[1])
        assert self.column + across <= self.columns, "a picture beyond the edge"
        assert self.line + down <= self.top + self.rows, "a picture below the window"
        self.pictures.append(Placed(self.line, self.column, np.asarray(picture)))
        if keys.get("C") != "1":
            self.line, self.column = self.line + down - 1, self.column + across


def _taken_from(numbers: list[int]) -> Rgb:
    if numbers.pop(0) == 2:
        red, green, blue = (numbers.pop(0) for _ in range(3))
        return red, green, blue
    colour = numbers.pop(0)
    if colour >= 232:
        return (8 + 10 * (colour - 232),) * 3
    assert colour >= 16, "the first 16 are what the user has chosen"
    colour -= 16
    return _CUBE[colour // 36], _CUBE[colour // 6 % 6], _CUBE[colour % 6]


def drawn(text: str) -> Screen:
    """Return a screen of the usual size on which a program has written, all of it understood."""
    screen = Screen(80, 24)
    screen.write(text.replace("\n", "\r\n").encode())
    screen.close()
    assert not screen.unknown
    return screen
