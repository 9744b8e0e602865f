"""``place:`` and ``near:`` of a query: where on earth is meant. Pure."""

from __future__ import annotations

import re

from clipd.places import Place, find
from clipd.store.conditions import Criterion, InPlace, Near

_NEAR_FORM = "near:43.77,11.25,10km or near:Florence,20km"
_NEAR_KILOMETRES = 10  # where no distance is given
_NEAR = re.compile(r"(.*?)(?:,(\d{1,9}(?:\.\d+)?)(km|m))?", re.ASCII | re.DOTALL)
_POINT = re.compile(r"(-?\d{1,9}(?:\.\d+)?),(-?\d{1,9}(?:\.\d+)?)", re.ASCII)


def place_criteria(value: str) -> tuple[Criterion, ...]:
    """Return what ``place:`` means: all places of a name."""
    found = find(value)
    if not found:  # perhaps another program wrote it
        return InPlace(city=value), InPlace(region=value)
    return tuple(dict.fromkeys(_inside(place) for place in found))


def _inside(place: Place) -> Criterion:
    if place.kind == "country":
        return InPlace(place.country)
    if place.kind == "region":
        return InPlace(place.country, place.name)
    return InPlace(place.country, city=place.name)


def near_criterion(value: str) -> Criterion:
    """Return what ``near:`` means: a circle around a city or a point.

    Raises:
        ValueError: it names neither; the text says what would be right.
    """
    match = _NEAR.fullmatch(value)
    assert match is not None  # whatever the text is, it is a name at least
    where, number, unit = match.groups()
    kilometres = float(number or _NEAR_KILOMETRES) / (1000 if unit == "m" else 1)
    point = _POINT.fullmatch(where)
    if point is None:
        latitude, longitude = _centre_of(where)
    else:
        latitude, longitude = float(point[1]), float(point[2])
        if abs(latitude) > 90 or abs(longitude) > 180:
            raise ValueError(f"there is no {where} on earth; write {_NEAR_FORM}")
    return Near(latitude, longitude, kilometres)


def _centre_of(name: str) -> tuple[float, float]:
    found = find(name)
    city = next((place for place in found if place.kind == "city"), None)
    if city is not None:
        return city.lat, city.lon
    if found:
        raise ValueError(f"{name} is large; write place:{name}, or {_NEAR_FORM}")
    raise ValueError(f"{name} is no city that is known; write {_NEAR_FORM}")
