"""Our token ids are those of CLIP's tokenizer, for any text."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipd.encode.tokenizer import Tokenizer
from tests.corpus.folder import FOREIGN, HAS_FOREIGN

if TYPE_CHECKING:  # it takes seconds to import
    import open_clip

# What CLIP's tokenizer makes of texts, each between the marks for its start and end.
START, END = 49406, 49407
TOKENS = {
    "": [],
    "a photo of a cat": [320, 1125, 539, 320, 2368],
    "Sunset over snowy mountains, 2024!": [3424, 962, 14191, 5873, 267, 273, 271, 273, 275, 256],
    "  two   spaces\n": [1237, 9006],
    "&amp; &lt;b&gt;": [261, 283, 321, 285],
    "été à Zürich 🐕": [3459, 39694, 21259, 89, 6522, 4021, 41069],
    "写真": [44653, 33440, 509],
}
# Where a tokenizer may go wrong: elisions, case that folds oddly, marks, mojibake, controls.
TRICKY = "abcdestvmrl '''0129.,!?-&;<>#_|\n\t\x1b\x00ÀéßſİıǅΣς²ⅷ½写真🐕\u200d\xa0\u0301â€œ™"

tokenize = Tokenizer(77)


def token_references() -> dict[str, list[int]]:
    """Return texts and their token ids: our own, and those of a foreign corpus if there is one."""
    references = {text: [START, *ids, END] for text, ids in TOKENS.items()}
    if HAS_FOREIGN:
        lines = json.loads((FOREIGN / "clip-refs" / "token_vectors.json").read_text())["vectors"]
        references |= {line["text"]: line.get("open_clip_ids") or line["ids"] for line in lines}
    return references


def test_texts_become_the_token_ids_of_the_reference() -> None:
    for text, expected in token_references().items():
        row = tokenize([text])[0].tolist()
        assert row[: len(expected)] == expected, text
        assert not any(row[len(expected) :]), text


def test_a_text_over_the_context_is_cut_and_still_ends() -> None:
    (row,) = Tokenizer(8)(["cat " * 20])

    assert row.tolist() == [START, *[2368] * 6, END]


def test_plain_texts_need_no_other_library() -> None:
    code = (
        "import sys; from clipd.encode.tokenizer import Tokenizer;"
        "Tokenizer(77)(['a cat on the sofa, 2024']);"
        "assert not {'torch', 'open_clip', 'ftfy', 'regex'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=True)


@pytest.mark.slow
@settings(max_examples=2000, deadline=None)
@given(
    st.lists(st.text() | st.text(TRICKY, max_size=40) | st.from_regex(r"[ -~]{0,80}"), max_size=3)
)
def test_any_text_has_the_token_ids_that_open_clip_gives_it(texts: list[str]) -> None:
    theirs = open_clip_tokenizer()

    assert tokenize(texts).tolist() == [theirs([text])[0].tolist() for text in texts]


@cache
def open_clip_tokenizer() -> open_clip.SimpleTokenizer:
    import open_clip

    return open_clip.get_tokenizer("ViT-B-32")
