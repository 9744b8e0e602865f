import numpy as np
import pytest

from clipd.pocket.teaching.prototypes import EVERYDAY, Classes, directions, everyday, looks
from clipd.pocket.teaching.wordnet import Nouns

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def classes(nouns: Nouns) -> Classes:
    return Classes(nouns)


def members(weights: np.ndarray) -> set[int]:
    return set(np.flatnonzero(weights).tolist())


def test_a_class_lies_below_every_node_above_it(classes: Classes) -> None:
    beagle, collie = classes.named("beagle")[0], classes.named("collie")[0]
    assert {beagle, collie} <= set(classes.below[3])
    assert beagle in classes.below[4]
    assert collie not in classes.below[4]


def test_a_node_looks_like_the_mean_of_the_classes_below(nouns: Nouns, classes: Classes) -> None:
    found = looks(nouns, classes, "")
    beagle, collie = classes.named("beagle")[0], classes.named("collie")[0]
    assert members(found["domestic dog"].weights) == {beagle, collie}
    assert members(found["beagle"].weights) == {beagle}
    assert found["beagle"].trust == 1


def test_a_word_of_a_definition_is_a_guess(nouns: Nouns, classes: Classes) -> None:
    found = looks(nouns, classes, "")
    assert found["ruff"].trust < 0.5
    assert classes.named("collie")[0] in members(found["ruff"].weights)


def test_what_is_written_down_is_summed_and_weighted(classes: Classes) -> None:
    found = everyday("# a remark\nbeach, shore = seashore, beagle .5\nshore = pizza\n", classes, {})
    sea, beagle, pizza = (classes.named(n)[0] for n in ("seashore", "beagle", "pizza"))
    assert found["beach"][[sea, beagle, pizza]].tolist() == [1, 0.5, 0]
    assert found["shore"][[sea, beagle, pizza]].tolist() == [1, 0.5, 1]


def test_a_name_that_means_nothing_is_refused(classes: Classes) -> None:
    with pytest.raises(ValueError, match="nothing is called 'zorblax'"):
        everyday("beach = zorblax\n", classes, {})


def test_every_class_that_the_everyday_words_name_is_a_class_or_a_noun(classes: Classes) -> None:
    named = {
        part.strip().rstrip(".0123456789").strip().lower()
        for line in EVERYDAY.read_text().splitlines()
        if " = " in line and not line.startswith("#")
        for part in line.split(" = ")[1].split(", ")
    }
    unknown = {name for name in named if not classes.named(name)}
    assert len(named) > 400
    # Whole kinds, which the real WordNet knows: a handful.
    assert len(unknown) < 20


def test_directions_are_unit_sums_of_rows(nouns: Nouns, classes: Classes) -> None:
    rows = np.random.default_rng(0).standard_normal((1000, 8)).astype(np.float32)
    found = looks(nouns, classes, "")
    pointing = directions(found, rows)
    assert pointing.keys() == found.keys()
    expected = rows[classes.named("beagle")[0]]
    assert np.allclose(pointing["beagle"], expected / np.linalg.norm(expected), atol=1e-6)
