"""What a screenshot is, as SQL: by its name, its folder, or a size that is that of a screen.

Nothing in it comes from outside, so that it has no parameters.
"""

from __future__ import annotations

# Of phones, tablets and monitors; a screenshot is as large as the screen, either way up.
_SCREENS = (
    *((640, 1136), (750, 1334), (828, 1792), (1080, 1920), (1125, 2436), (1170, 2532)),
    *((1179, 2556), (1206, 2622), (1242, 2208), (1242, 2688), (1284, 2778), (1290, 2796)),
    *((1320, 2868), (720, 1280), (720, 1520), (720, 1600), (1080, 2160), (1080, 2220)),
    *((1080, 2280), (1080, 2316), (1080, 2340), (1080, 2376), (1080, 2400), (1080, 2408)),
    *((1080, 2412), (1440, 2560), (1440, 2880), (1440, 2960), (1440, 3040), (1440, 3088)),
    *((1440, 3120), (1440, 3200), (1536, 2048), (1620, 2160), (1640, 2360), (1668, 2224)),
    *((1668, 2388), (2048, 2732), (768, 1024), (800, 1280), (1200, 1920), (1600, 2560)),
    *((768, 1366), (900, 1440), (900, 1600), (1050, 1680), (1024, 1280), (1200, 1600)),
    *((1080, 2560), (1440, 3440), (2160, 3840), (1800, 2880), (1920, 2880), (1964, 3024)),
    *((2234, 3456), (1600, 2560), (1664, 2560), (2880, 5120), (1504, 2256), (1824, 2736)),
)
# For LIKE; wildcards stand for letters with accents, which disks spell in several ways.
_NAMES = (
    *("%screen%shot%", "%bildschirmfoto%", "%capture d_%cran%", "%schermafbeelding%"),
    *("%captura de %", "%zrzut ekranu%", "%sk_%rmbild%", "%sn%mek obrazovky%"),
)
_FOLDERS = ("%/screenshots/%", "%/bildschirmfotos/%", "%/captures d_%cran/%")
_IN_ALL_NAMES = "r"  # so that most names are compared with one pattern, and not with eight


def _is_like(value: str, patterns: tuple[str, ...]) -> str:
    return " OR ".join(f"{value} LIKE '{pattern}'" for pattern in patterns)


def _has_screen_size(photos: str) -> str:
    sizes = ", ".join(f"({short}, {long})" for short, long in sorted(set(_SCREENS)))
    width, height = f"{photos}.width", f"{photos}.height"
    return (
        f"{photos}.format = 'PNG'"
        f" AND (min({width}, {height}), max({width}, {height})) IN (VALUES {sizes})"
    )


_NAME = "CAST(name AS TEXT)"
_FOLDER = "folder || '/'"
_HAS_NAME = f"{_NAME} LIKE '%{_IN_ALL_NAMES}%' AND ({_is_like(_NAME, _NAMES)})"
# No screenshot knows of a camera. CASE, since AND looks at the names of all photos first.
IS_SCREENSHOT = (
    "CASE WHEN coalesce(meta.camera, '') <> '' THEN false"
    f" ELSE {_HAS_NAME} OR {_is_like(_FOLDER, _FOLDERS)} OR ({_has_screen_size('photos')})"
    " END"
)
# Paths among which all screenshots are, found without a join: of a million paths, a third of them
# without a camera, in 130 ms; asked one by one, they took 700.
MAY_BE_SCREENSHOT = (
    f"paths.id IN (SELECT id FROM paths WHERE {_HAS_NAME}"
    " UNION ALL SELECT id FROM paths WHERE folder IN (WITH folders AS MATERIALIZED"
    " (SELECT DISTINCT folder FROM paths)"
    f" SELECT folder FROM folders WHERE {_is_like(_FOLDER, _FOLDERS)})"
    " UNION ALL SELECT alike.id FROM photos AS large CROSS JOIN paths AS alike"
    f" ON alike.photo_id = large.id WHERE {_has_screen_size('large')})"
)
