"""Places of the real world: where borders are close, where none is, and by their names."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipd.places import country_name, find, gazetteer, place_at
from clipd.process.memory import give_back


@pytest.mark.parametrize(
    ("lat", "lon", "country", "city"),
    [
        (43.77, 11.25, "IT", "Florence"),
        (45.81, 9.085, "IT", "Como"),
        (45.95, 9.17, "IT", None),  # on Lake Como, where the nearest town is a Swiss one
        (45.99, 8.96, "CH", None),
        (47.663, 9.175, "DE", "Konstanz"),
        (47.645, 9.17, "CH", "Kreuzlingen"),
        (46.505, 13.578, "IT", None),  # Tarvisio, where the nearest town is an Austrian one
        (46.61, 13.85, "AT", "Villach"),
        (45.8316, 9.0317, "CH", "Chiasso"),
        (46.2, 6.15, "CH", "Geneva"),
        (48.8583, 2.2945, "FR", "Paris"),  # and not the quarter that is nearest
        (41.9022, 12.4533, "VA", "Vatican City"),
        (37.77, -122.42, "US", "San Francisco"),
        (-20.88, 55.45, "RE", "Saint-Denis"),  # has no border of its own
        (42.66, 21.16, "XK", "Pristina"),
        (22.28, 114.16, "HK", "Hong Kong"),
        (-18.14, 178.44, "FJ", "Suva"),
        (23.0, 10.0, "DZ", ""),
        (30.0, -40.0, "", ""),
        (-89.0, 0.0, "", ""),
        (90.0, 180.0, "", ""),
    ],
)
def test_a_position_has_a_country_and_a_city(
    lat: float, lon: float, country: str, city: str | None
) -> None:
    found = place_at(lat, lon)
    assert found.country == country
    assert city is None or found.city == city


def test_states_of_america_are_regions() -> None:
    assert place_at(30.27, -97.74).region == "Texas"
    assert place_at(43.77, 11.25).region == ""
    in_utah = place_at(38.97, -109.7)  # whose next city lies in Colorado
    assert (in_utah.country, in_utah.region) == ("US", "")


@pytest.mark.parametrize(
    ("text", "name", "country"),
    [
        ("Florence", "Florence", "IT"),
        ("FIRENZE", "Florence", "IT"),
        ("florenz", "Florence", "IT"),
        ("münchen", "Munich", "DE"),
        ("Munchen", "Munich", "DE"),
        ("Москва", "Moscow", "RU"),
        ("東京", "Tokyo", "JP"),
        ("new  york city", "New York City", "US"),
        ("Tarcento", "Tarcento", "IT"),
        ("Paris", "Paris", "FR"),
    ],
)
def test_a_city_is_found_by_its_names_the_largest_first(text: str, name: str, country: str) -> None:
    first = find(text)[0]
    assert (first.kind, first.name, first.country) == ("city", name, country)


@pytest.mark.parametrize(
    ("text", "code"),
    [("Italy", "IT"), ("italien", "IT"), ("Italie", "IT"), ("IT", "IT"), ("Österreich", "AT"),
     ("Deutschland", "DE"), ("日本", "JP"), ("Cote d'Ivoire", "CI")],
)  # fmt: skip
def test_a_country_is_found_by_its_names_and_its_code(text: str, code: str) -> None:
    first = find(text)[0]
    assert (first.kind, first.country, country_name(code)) == ("country", code, first.name)


def test_a_state_is_found_by_its_name() -> None:
    assert [(place.kind, place.country) for place in find("texas")][:1] == [("region", "US")]


@pytest.mark.parametrize("text", ["", " ", "zorblax", "Floren", "a\tb", "\n", "x" * 1000])
def test_what_is_no_place_is_not_found(text: str) -> None:
    assert find(text) == []


def test_what_is_found_by_position_is_found_by_name() -> None:
    for lat, lon in ((43.77, 11.25), (35.68, 139.69), (-33.87, 151.21), (55.75, 37.62)):
        here = place_at(lat, lon)
        assert (here.city, here.country) in [
            (place.name, place.country) for place in find(here.city)
        ]


@settings(deadline=None)
@given(st.floats(-90, 90), st.floats(-180, 180))
def test_every_position_has_an_answer(lat: float, lon: float) -> None:
    found = place_at(lat, lon)
    assert bool(found.city) <= bool(found.country)


@settings(deadline=None)
@given(st.text(max_size=30))
def test_every_text_has_an_answer(text: str) -> None:
    assert len(find(text)) <= 20


def test_a_look_up_takes_no_millisecond() -> None:
    place_at(0, 0)
    dice = random.Random(5)
    positions = [(dice.uniform(-60, 70), dice.uniform(-180, 180)) for _ in range(500)]
    begun = time.process_time()
    for position in positions:
        place_at(*position)
    each_ms = (time.process_time() - begun) / len(positions) * 1000
    print(f"{each_ms:.3f} ms a position")
    assert each_ms < 1


def test_what_is_loaded_is_dropped_at_rest_and_read_again_when_it_is_needed() -> None:
    before = place_at(43.77, 11.25)
    give_back()
    assert gazetteer._loaded.cache_info().currsize == 0
    assert place_at(43.77, 11.25) == before
    assert gazetteer._loaded.cache_info().currsize == 1
