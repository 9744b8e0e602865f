"""A WordNet of a few lines, in the format of the real one."""

from pathlib import Path

import pytest

from clipd.pocket.teaching.wordnet import Nouns

LICENCE = "  1 This stands for the licence, which is indented.\n"
# offset, lexicographer's file, n, words in hex, words, pointers, gloss: wndb(5WN)
DATA = (
    "00000001 03 n 01 entity 0 000 | that which is\n"
    "00000002 05 n 02 animal 0 beast 0 001 @ 00000001 n 0000 | a living thing that moves\n"
    "00000003 05 n 02 dog 0 domestic_dog 0 001 @ 00000002 n 0000 | it barks\n"
    "00000004 05 n 01 beagle 0 001 @ 00000003 n 0000 | a small short-legged smooth-coated "
    "breed of hound\n"
    "00000005 05 n 01 collie 0 001 @ 00000003 n 0000 | a silky-coated sheep dog with a long ruff "
    "and long narrow head developed in Scotland\n"
    "00000006 06 n 01 pizza 0 001 @ 00000001 n 0000 | Italian open pie made of thin bread dough "
    "spread with a spiced mixture of e.g. tomato sauce and cheese\n"
)
INDEX = (
    "entity n 1 0 1 0 00000001\n"
    "animal n 1 1 @ 1 0 00000002\n"
    "beast n 1 1 @ 1 0 00000002\n"
    "dog n 2 1 @ 2 0 00000003 00000006\n"
    "domestic_dog n 1 1 @ 1 0 00000003\n"
    "beagle n 1 1 @ 1 0 00000004\n"
    "collie n 1 1 @ 1 0 00000005\n"
    "pizza n 1 1 @ 1 0 00000006\n"
)


@pytest.fixture(scope="session")
def nouns(tmp_path_factory: pytest.TempPathFactory) -> Nouns:
    folder: Path = tmp_path_factory.mktemp("wordnet")
    (folder / "data.noun").write_text(LICENCE + DATA)
    (folder / "index.noun").write_text(LICENCE + INDEX)
    return Nouns(folder)
