import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from clipd.errors import ClipdError, SceneError
from clipd.pocket.captions import REPORT_TEMPLATES, TRAINING_TEMPLATES, parse
from clipd.pocket.scenes import SCENES, draw, random_scene
from clipd.pocket.words import COLOURS, SUBJECTS, TIMES, WEATHERS, Traits

SMALL = (96, 72)


def pixels_of(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture, np.float32)


def test_there_are_at_least_forty_scenes_and_the_promised_ones_are_among_them() -> None:
    promised = "sunset, beach, forest, snowy mountains, city skyline, rainbow, desert, lake"
    promised += ", waterfall, field of flowers, sailing boat, house, tree, cat, dog, bird, fish"
    assert len(SCENES) >= 40
    assert {*promised.split(", "), "cake", "clock", "car", "night sky"} <= set(SCENES)


@pytest.mark.parametrize("word", SCENES)
def test_every_scene_draws_at_its_size_and_not_blank(word: str) -> None:
    picture = draw(word, seed=3, size=SMALL)
    assert picture.mode == "RGB"
    assert picture.size == SMALL
    assert pixels_of(picture).std() > 8


@pytest.mark.parametrize("word", [w for w in SCENES if SUBJECTS[w].times or SUBJECTS[w].weathers])
def test_every_time_and_weather_a_scene_knows_can_be_drawn_and_changes_it(word: str) -> None:
    plain = pixels_of(draw(word, seed=4, size=SMALL))
    for hint in (*SUBJECTS[word].times, *SUBJECTS[word].weathers):
        changed = pixels_of(draw(f"{word} {hint}", seed=4, size=SMALL))
        assert np.abs(plain - changed).mean() > 4, hint


def test_the_same_words_seed_and_size_give_the_same_pixels_in_any_process() -> None:
    words, seed = "two red cars at night", 11
    code = (
        "import sys; from clipd.pocket.scenes import draw; "
        f"sys.stdout.buffer.write(draw({words!r}, {seed}, {SMALL}).tobytes())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    elsewhere = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, check=True
    )
    assert draw(words, seed, SMALL).tobytes() == elsewhere.stdout


def test_another_seed_gives_another_picture_of_the_same() -> None:
    first, second = (pixels_of(draw("sunset", seed, SMALL)) for seed in (1, 2))
    assert np.abs(first - second).mean() > 4


def test_portrait_and_square_pictures_have_the_size_asked_for() -> None:
    for size in ((60, 90), (70, 70), (101, 67)):
        assert draw("a beach", 1, size).size == size


@pytest.mark.parametrize(
    ("words", "word", "traits"),
    [
        ("sunset", "sunset", Traits()),
        ("A red car at night", "car", Traits(colour="red", time="night")),
        ("three boats on a lake", "sailing boat", Traits(count=3)),
        ("mountains with snow", "snowy mountains", Traits()),
        ("a foggy forest in the evening", "forest", Traits(weather="fog", time="dusk")),
        ("gray kitten on the left", "cat", Traits(colour="grey", position="left")),
        ("night sky with moon", "night sky", Traits()),
        ("a field of flowers", "field of flowers", Traits()),
        ("2 butterflies", "butterfly", Traits(count=2)),
    ],
)
def test_words_are_understood(words: str, word: str, traits: Traits) -> None:
    assert parse(words) == (word, traits)


@pytest.mark.parametrize("words", ["", "a zeppelin at night", "scar", "кот"])
def test_words_that_name_no_scene_are_refused_with_the_words_that_do(words: str) -> None:
    with pytest.raises(SceneError) as refused:
        draw(words, 1)
    assert isinstance(refused.value, ClipdError)
    assert "sunset" in str(refused.value)
    assert "umbrella" in str(refused.value)


def test_the_words_of_a_random_scene_draw_that_very_scene() -> None:
    for seed in range(60):
        scene = random_scene(seed)
        assert parse(scene.words) == (scene.word, scene.traits)
    scene = random_scene(5)
    assert draw(scene.words, scene.seed, SMALL).tobytes() == scene.draw(SMALL).tobytes()


def test_random_scenes_cover_every_word_and_every_trait() -> None:
    scenes = [random_scene(seed) for seed in range(1500)]
    assert {scene.word for scene in scenes} == set(SCENES)
    assert {scene.traits.colour for scene in scenes} == {"", *COLOURS}
    assert {scene.traits.count for scene in scenes} == {1, 2, 3, 4}
    assert {scene.traits.position for scene in scenes} == {"", "left", "right"}
    assert {scene.traits.time for scene in scenes} == {"", *TIMES}
    assert {scene.traits.weather for scene in scenes} == {"", *WEATHERS}


def test_a_caption_says_what_it_is_told_to_say() -> None:
    scene = next(s for s in map(random_scene, range(500)) if len(s.traits.stated()) == 3)
    assert scene.caption("look, {}!") == f"look, {scene.words}!"
    for name in scene.traits.stated():
        word, traits = parse(scene.caption(mention=(name,)))
        assert (word, traits.stated()) == (scene.word, (name,))


def test_the_report_asks_in_sentences_that_training_never_used() -> None:
    assert not set(REPORT_TEMPLATES) & set(TRAINING_TEMPLATES)
