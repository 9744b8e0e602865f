"""Countries and cities: by position, and by name."""

from __future__ import annotations

import re
import threading
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clipd.places.borders import Borders
from clipd.places.world_file import Numbers, WorldFile
from clipd.process.memory import drop_at_rest, give_back

_MOST_KM = 50.0  # from a city that a photo is said to be taken in
_KM_PER_DEGREE = 111.195
_UNIT = 1000  # of a degree in the file
_AT_BORDER_KM = 2.5
_SAME_REGION_KM = 15.0  # from a city: further off the next region may have begun
_PEOPLE_PER_KM2 = 5000.0  # of a city, to tell how far it reaches
_MARKS = re.compile("[\u0300-\u036f]+")
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc\u02bb`\u00b4", "'"))
_MOST_FOUND = 20
_loading = threading.Lock()

Kilometres = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Place:
    """A country, a region of one, or a city.

    ``name`` is in English, and what ``meta`` holds of a photo that was taken there.
    """

    kind: Literal["country", "region", "city"]
    name: str  # of a country: its code too is in ``country``
    country: str  # code (ISO 3166, two letters)
    region: str = ""
    lat: float = 0.0
    lon: float = 0.0
    population: int = 0


@dataclass(frozen=True, slots=True)
class Whereabout:
    """Where a position is: what is not known of it is empty."""

    country: str = ""  # code
    region: str = ""
    city: str = ""


def place_at(lat: float, lon: float) -> Whereabout:
    """Return the country of a position, and the next city of that country within 50 km."""
    return _gazetteer().place_at(lat, lon)


def find(text: str) -> list[Place]:
    """Return the places of a name in any of the languages that are known, largest first."""
    return _gazetteer().find(text)


def country_name(code: str) -> str:
    """Return the English name of a country; the code itself where it is none."""
    return _country_names().get(code, code)


def fold(text: str) -> str:
    """Return a name as it is compared: without case and accents, with plain apostrophes."""
    plain = _MARKS.sub("", unicodedata.normalize("NFD", text.casefold()))
    return unicodedata.normalize("NFC", plain).translate(_APOSTROPHES)


@cache
def _country_names() -> dict[str, str]:
    """Read them alone: a list of hits needs no cities."""
    lines = (line.split("\t") for line in WorldFile().text("countries").splitlines())
    return {code: english for code, english, *_ in lines}


def _gazetteer() -> Gazetteer:
    with _loading:  # by one thread, once; it takes some tenths of a second
        return _loaded()


@cache
def _loaded() -> Gazetteer:
    gazetteer = Gazetteer(WorldFile())
    give_back()  # unpacking took several times of what is kept
    return gazetteer


drop_at_rest(_loaded.cache_clear)  # 17 MiB that a daemon at rest has no use for


class Gazetteer:
    """The places of one file. Any thread."""

    def __init__(self, world: WorldFile) -> None:
        self._borders = Borders(world)
        # A line each: the code, the English name, then names in other languages.
        self._countries = [line.split("\t") for line in world.text("countries").splitlines()]
        self._regions = world.text("regions").split("\n")
        names = world.text("cities")
        self._names = _Lines(names)
        self._folded = _Lines(fold(names))
        self._others = _Lines(world.text("other_names"))
        self._country = world.numbers("city_country").astype(np.uint8)
        self._region = world.numbers("city_region").astype(np.uint8)
        self._population = world.numbers("city_population").astype(np.int32)
        self._lat = np.cumsum(world.numbers("city_lat")).astype(np.int32)
        self._lon = np.cumsum(world.numbers("city_lon")).astype(np.int32)
        self._by_lat = np.argsort(self._lat).astype(np.int32)
        self._sorted_lat = self._lat[self._by_lat]
        self._has_border = np.zeros(256, bool)
        self._has_border[list(self._borders.countries)] = True

    def place_at(self, lat: float, lon: float) -> Whereabout:
        """See the function of this name."""
        near, km = self._within_reach(lat, lon)
        country = self._country_of(self._borders.country_at(lat, lon), near, km)
        if country is None:
            return Whereabout()
        code = self._countries[country][0]
        is_own = self._country[near] == country
        if not is_own.any():
            return Whereabout(code)
        city, far_km = self._most_likely(near[is_own], km[is_own])
        region = self._regions[self._region[city]] if far_km <= _SAME_REGION_KM else ""
        return Whereabout(code, region, self._names[city])

    def find(self, text: str) -> list[Place]:
        """See the function of this name."""
        name = fold(" ".join(text.split()))
        if not name or "\t" in name:
            return []
        cities = self._folded.holding(f"\n{name}\n") | self._others.holding(f"\t{name}\t")
        places = [self._city(number) for number in cities]
        places.sort(key=lambda place: -place.population)
        return [*self._countries_of(name), *self._regions_of(name), *places][:_MOST_FOUND]

    def _within_reach(self, lat: float, lon: float) -> tuple[Numbers, Kilometres]:
        """Return the cities within reach of a position, and how far they are."""
        reach = _MOST_KM / _KM_PER_DEGREE * _UNIT
        first, last = np.searchsorted(self._sorted_lat, (lat * _UNIT - reach, lat * _UNIT + reach))
        near = self._by_lat[first:last]
        east = np.abs(self._lon[near] / _UNIT - lon)
        east = np.minimum(east, 360 - east) * np.cos(np.radians(lat))
        km = np.hypot(self._lat[near] / _UNIT - lat, east) * _KM_PER_DEGREE
        is_in_reach = km <= _MOST_KM
        return near[is_in_reach], km[is_in_reach]

    def _country_of(self, by_border: int | None, near: Numbers, km: Kilometres) -> int | None:
        """Return the country of a position, by the borders and by the cities around."""
        if not len(near):
            return by_border
        nearest = int(km.argmin())
        country = int(self._country[near[nearest]])
        # At the sea no border says whose it is; and overseas territories have a code of their own,
        # but no border of their own.
        if by_border is None or not self._has_border[country]:
            return country
        # Borders are known to some hundred metres: a town close to one says better where it is.
        rival = float(km[self._country[near] == by_border].min(initial=np.inf))
        is_beyond = km[nearest] <= _AT_BORDER_KM and km[nearest] < rival / 2
        return country if is_beyond else by_border

    def _most_likely(self, near: Numbers, km: Kilometres) -> tuple[int, float]:
        """Return the largest city that reaches so far, else the nearest; and how far it is.

        Quarters of a city are among the cities; it is the city that people speak of.
        """
        people = self._population[near]
        is_covering = km <= np.sqrt(people / _PEOPLE_PER_KM2 / np.pi)
        chosen = np.where(is_covering, people, -1).argmax() if is_covering.any() else km.argmin()
        return int(near[chosen]), float(km[chosen])

    def _countries_of(self, name: str) -> list[Place]:
        return [
            Place("country", english, code)
            for code, english, *others in self._countries
            if name == code.casefold() or name in (fold(english), *others)
        ]

    def _regions_of(self, name: str) -> list[Place]:
        return [
            Place("region", region, "US")
            for region in self._regions
            if region and fold(region) == name
        ]

    def _city(self, number: int) -> Place:
        return Place(
            "city",
            self._names[number],
            self._countries[self._country[number]][0],
            self._regions[self._region[number]],
            float(self._lat[number]) / _UNIT,
            float(self._lon[number]) / _UNIT,
            int(self._population[number]),
        )


class _Lines:
    """Many short texts as one, in a tenth of the memory that they would take as a list."""

    def __init__(self, text: str) -> None:
        self._octets = b"\n" + text.encode() + b"\n"
        ends = np.flatnonzero(np.frombuffer(self._octets, np.uint8) == ord("\n"))
        self._starts = ends.astype(np.int32)

    def __getitem__(self, number: int) -> str:
        start, end = self._starts[number], self._starts[number + 1]
        return self._octets[start + 1 : end].decode()

    def holding(self, wanted: str) -> set[int]:
        """Return the numbers of the texts that hold something; a text lies between line ends."""
        octets = wanted.encode()
        found: set[int] = set()
        at = self._octets.find(octets)
        while at >= 0 and len(found) < _MOST_FOUND:
            found.add(int(np.searchsorted(self._starts, at, "right")) - 1)
            at = self._octets.find(octets, at + 1)
        return found
