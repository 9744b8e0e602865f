"""Everything that people and programs do to a tree of photos, at random, traps first of all."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.faults.pictures import picture

_MANY = 250  # files; above it nothing is added, so that a long run stays quick
_CLOSED = 0o000
_OPEN = 0o644


class Wild:
    """Changes a root, and moves parts of it to a place outside and back.

    Attributes:
        needs_scan: something was done that makes no event at a path that it changed: only a
            scan can see it.
    """

    def __init__(self, root: Path, outside: Path, dice: random.Random) -> None:
        self.root = root
        self.needs_scan = False
        self.done: list[str] = []
        self._outside = outside
        self._dice = dice
        self._serial = 0
        self._unfinished: dict[Path, bytes] = {}
        self._acts: tuple[Callable[[], None], ...] = (
            *(self._save, self._save, self._save_several, self._save_tree),
            *(self._overwrite, self._overwrite_unnoticed, self._overwrite_unnoticed),
            *(self._reuse_inode, self._reuse_inode, self._replace),
            *(self._rename, self._rename, self._exchange, self._rename_folder),
            *(self._move_out, self._move_in, self._move_in, self._move_straight_through),
            *(self._link, self._close, self._open, self._begin, self._finish),
            *(self._remove, self._remove_folder),
        )

    def change(self, times: int = 1) -> None:
        """Do that many random things, one right after the other."""
        for _ in range(times):
            act = self._dice.choice(self._acts)
            self.done.append(act.__name__)
            act()

    def come_to_rest(self) -> None:
        """Complete what was written half, and give back what was closed."""
        while self._unfinished:
            self._finish()
        for file in self._files(self.root):
            if not file.stat().st_mode & _OPEN:
                file.chmod(_OPEN)

    def _content(self) -> bytes:
        # Every third content is one that was there before: a copy, or a photo that comes back.
        if self._serial and self._dice.random() < 0.3:
            return picture(self._dice.randrange(self._serial))
        self._serial += 1
        return picture(self._serial)

    def _files(self, below: Path) -> list[Path]:
        return sorted(Path(base, name) for base, _, names in os.walk(below) for name in names)

    def _folders(self) -> list[Path]:
        found = [Path(base, name) for base, names, _ in os.walk(self.root) for name in names]
        return sorted(found)

    def _file(self) -> Path:
        files = [file for file in self._files(self.root) if file not in self._unfinished]
        return self._dice.choice(files) if files else self._new_file(self._content())

    def _place(self, suffix: str = ".bmp") -> Path:
        above = self._dice.choice([self.root, *self._folders()])
        return above / f"{self._dice.randrange(10**9)}{suffix}"

    def _new_file(self, content: bytes) -> Path:
        file = self._place()
        file.write_bytes(content)
        return file

    def _has_room(self) -> bool:
        return len(self._files(self.root)) < _MANY

    def _save(self) -> None:
        if self._has_room():
            self._new_file(self._content())

    def _save_several(self) -> None:
        content = self._content()
        for _ in range(3 if self._has_room() else 0):
            self._new_file(content)

    def _save_tree(self) -> None:
        top = self._place("")
        for number in range(4 if self._has_room() else 0):
            file = top / f"{number % 2}" / f"{number}.bmp"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(self._content())

    def _overwrite(self) -> None:
        self._write_over(self._file(), self._content())

    def _overwrite_unnoticed(self) -> None:
        """Write other bytes of the same size, and set the old times, as exiftool -P does."""
        file = self._file()
        before = file.stat()
        self._write_over(file, self._content())
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    def _write_over(self, file: Path, content: bytes) -> None:
        self.needs_scan |= file.stat().st_nlink > 1  # the other name of the file sees no event
        with file.open("r+b") as opened:
            opened.write(content)
            opened.truncate()

    def _reuse_inode(self) -> None:
        """Delete a file and make another of its size and time, which gets its inode on ext4."""
        old = self._file()
        before = old.stat()
        new = old.with_name(f"{self._dice.randrange(10**9)}.bmp")
        old.unlink()
        new.write_bytes(self._content())
        os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))

    def _replace(self) -> None:
        old = self._file()
        half = old.with_name(".half")
        half.write_bytes(self._content())
        half.replace(old)

    def _rename(self) -> None:
        self._file().rename(self._place())

    def _exchange(self) -> None:
        one, other = self._file(), self._file()
        if one != other:
            between = one.with_name(".between")
            one.rename(between)
            other.rename(one)
            between.rename(other)

    def _rename_folder(self) -> None:
        if folders := self._folders():
            self._rename_tree(self._dice.choice(folders), self.root / f"r{self._number()}")

    def _move_out(self) -> None:
        if folders := self._folders():
            self._rename_tree(self._dice.choice(folders), self._outside / f"o{self._number()}")

    def _move_in(self) -> None:
        if trees := sorted(self._outside.iterdir()):
            self._rename_tree(self._dice.choice(trees), self.root / f"i{self._number()}")

    def _move_straight_through(self) -> None:
        """Bring a tree of new photos in and take it away again before it can be read."""
        tree = self._outside / f"o{self._number()}"
        tree.mkdir()
        for number in range(6):
            (tree / f"{number}.bmp").write_bytes(self._content())
        passing = self.root / f"p{self._number()}"
        self._rename_tree(tree, passing)
        self._acts[self._dice.randrange(len(self._acts) - 8)]()
        if passing.exists():
            self._rename_tree(passing, self._outside / f"o{self._number()}")

    def _number(self) -> int:
        return self._dice.randrange(10**9)

    def _rename_tree(self, tree: Path, to: Path) -> None:
        tree.rename(to)
        self._unfinished = {
            (to / file.relative_to(tree) if file.is_relative_to(tree) else file): content
            for file, content in self._unfinished.items()
        }

    def _link(self) -> None:
        if self._has_room():
            os.link(self._file(), self._place())

    def _close(self) -> None:
        file = self._file()
        self.needs_scan |= file.stat().st_nlink > 1
        file.chmod(_CLOSED)

    def _open(self) -> None:
        for file in self._files(self.root):
            if not file.stat().st_mode & _OPEN:
                self.needs_scan |= file.stat().st_nlink > 1
                file.chmod(_OPEN)
                return

    def _begin(self) -> None:
        """Write the first half of a file, as a slow copy does."""
        if self._has_room():
            content = self._content()
            self._unfinished[self._new_file(content[: len(content) // 2])] = content

    def _finish(self) -> None:
        if self._unfinished:
            file = self._dice.choice(sorted(self._unfinished))
            content = self._unfinished.pop(file)
            if file.exists():
                with file.open("ab") as opened:
                    opened.write(content[file.stat().st_size :])

    def _remove(self) -> None:
        self._file().unlink()

    def _remove_folder(self) -> None:
        if len(folders := self._folders()) > 4:
            shutil.rmtree(self._dice.choice(folders))
