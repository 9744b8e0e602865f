from __future__ import annotations

import numpy as np
import pytest

from clipd.search.grouping import Likeness, are_close, are_consecutive, grouped
from clipd.store.selection import BurstTraits


def photo(
    number: int, name: str, taken: str = "", pixels: int = 1, sharpness: float | None = None
) -> BurstTraits:
    folder, _, last = name.rpartition("/")
    return BurstTraits(number, folder.encode(), last.encode(), taken, pixels, sharpness)


def groups(
    likeness: Likeness, photos: list[BurstTraits], angles: list[float]
) -> list[tuple[tuple[int, ...], int]]:
    """Group photos whose vectors lie at these angles, in degrees."""
    radians = np.radians(angles)
    rows = np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)
    traits = {each.photo: each for each in photos}
    found = grouped(likeness, [each.photo for each in photos], traits, rows)
    return [(group.photos, group.best) for group in found]


def test_photos_alike_within_ten_seconds_are_a_burst_and_others_are_not() -> None:
    photos = [
        photo(1, "a/x.jpg", "2019-07-12T14:00:00"),
        photo(2, "b/y.jpg", "2019-07-12T14:00:10"),
        photo(3, "c/z.jpg", "2019-07-12T14:00:31"),
        photo(4, "d/w.jpg", "2019-07-12T14:00:01"),
        photo(5, "e/v.jpg"),
    ]
    # The fourth looks different: the cosine of 20 degrees is .94.
    found = groups("burst", photos, [0, 5, 5, 20, 0])
    assert [members for members, _ in found] == [(1, 2), (3,), (4,), (5,)]


def test_a_chain_of_photos_is_one_burst() -> None:
    photos = [photo(n, f"a/{n}.jpg", f"2019-07-12T14:00:{8 * n:02}") for n in range(1, 7)]
    assert len(groups("burst", photos, [0] * 6)) == 1


def test_a_burst_is_whole_in_whatever_order_its_photos_come() -> None:
    names = ("a/IMG_1.jpg", "a/IMG_4.jpg", "a/IMG_6.jpg", "a/IMG_2.jpg", "a/IMG_3.jpg")
    photos = [photo(number, name) for number, name in enumerate(names, 1)]
    found = groups("burst", photos, [0, 5, 0, 5, 0])
    assert [members for members, _ in found] == [(1, 2, 4, 5), (3,)]


@pytest.mark.parametrize(
    ("one", "other", "is_burst"),
    [
        ("a/IMG_0009.jpg", "a/IMG_0010.jpg", True),
        ("a/IMG_9.jpg", "a/IMG_11.jpg", False),
        ("a/IMG_9.jpg", "b/IMG_10.jpg", False),
        ("a/IMG_9.jpg", "a/DSC_10.jpg", False),
        ("a/9.jpg", "a/10.png", False),
        ("a/x.jpg", "a/y.jpg", False),
        ("a/" + "9" * 40 + ".jpg", "a/" + "9" * 40 + ".jpg", False),
    ],
)
def test_consecutive_names_in_a_folder_are_a_burst(one: str, other: str, is_burst: bool) -> None:
    found = groups("burst", [photo(1, one), photo(2, other)], [0, 1])
    assert (len(found) == 1) is is_burst


def test_look_asks_for_no_moment_but_for_more_likeness() -> None:
    photos = [photo(number, f"a/{number * 7}.jpg") for number in (1, 2, 3)]
    assert [members for members, _ in groups("look", photos, [0, 10, 17])] == [(1, 2), (3,)]


def test_the_sharpest_stands_for_all_then_the_largest_then_the_first() -> None:
    def best(*marks: tuple[int, float | None]) -> int:
        photos = [
            photo(n, f"a/{n}.jpg", pixels=pixels, sharpness=sharpness)
            for n, (pixels, sharpness) in enumerate(marks, 1)
        ]
        ((_, chosen),) = groups("burst", photos, [0] * len(photos))
        return chosen

    assert best((9, 0.2), (1, 0.5), (5, None)) == 2
    assert best((1, None), (9, None), (9, None)) == 2
    assert best((3, 0.5), (9, 0.5)) == 2


@pytest.mark.parametrize("seed", range(20))
def test_whatever_comes_together_a_photo_joins_the_first_of_its_moment_that_it_is_like(
    seed: int,
) -> None:
    random = np.random.default_rng(seed)
    names = [f"{random.choice(['a', 'b'])}/IMG_{random.integers(30)}.jpg" for _ in range(60)]
    times = ["", *(f"2019-07-12T14:0{n // 60}:{n % 60:02}" for n in range(0, 90, 3))]
    photos = [
        photo(n, name, str(random.choice(times)), sharpness=random.random())
        for n, name in enumerate(names, 1)
    ]
    angles = [float(random.choice([0, 10, 17, 30])) for _ in photos]
    near = np.cos(np.radians(np.subtract.outer(angles, angles))) >= 0.95

    expected: list[list[int]] = []

    def of_moment(n: int, group: list[int]) -> bool:
        others = [photos[m] for m in group]
        return any(are_close(photos[n], m) or are_consecutive(photos[n], m) for m in others)

    for n in range(len(photos)):
        beside = [group for group in expected if of_moment(n, group)]
        mine = next((group for group in beside if near[group[0], n]), None)
        if mine is None:
            expected.append([n])
            continue
        later = beside[beside.index(mine) + 1 :]
        joined = [group for group in later if near[group[0], mine[0]]]
        mine[:] = sorted([*mine, n, *(each for group in joined for each in group)])
        expected = [group for group in expected if group not in joined]

    found = [
        tuple(number - 1 for number in members) for members, _ in groups("burst", photos, angles)
    ]
    assert found == [tuple(group) for group in expected]
    assert any(len(group) > 2 for group in expected)


def test_a_time_that_cannot_be_read_is_no_time() -> None:
    photos = [
        photo(1, "a/x.jpg", "2019-99-99T00:00:00"),
        photo(2, "a/y.jpg", "2019-99-99T00:00:00"),
    ]
    assert len(groups("burst", photos, [0, 0])) == 2
