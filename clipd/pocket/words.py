"""The vocabulary of the embedded model: what its scenes show and how captions name it."""

from __future__ import annotations

from dataclasses import dataclass

COLOURS = (
    "red",
    "orange",
    "yellow",
    "green",
    "blue",
    "purple",
    "pink",
    "brown",
    "black",
    "white",
    "grey",
)
COUNTS = {1: "one", 2: "two", 3: "three", 4: "four"}
TIMES = ("night", "dusk")
WEATHERS = ("rain", "snow", "fog")

_BRIGHT = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")
_PAINT = ("red", "yellow", "green", "blue", "white", "black")
_FUR = ("orange", "brown", "black", "white", "grey")
_GROUND = ("meadow", "sand", "snowfield", "plain")
_STREET = ("street", "meadow", "sand", "plain")
_TABLE = ("table", "room", "plain")


@dataclass(frozen=True, slots=True)
class Subject:
    """A thing or a place that scenes show, and the words for it.

    Attributes:
        word: its name in the singular, as it stands in `SCENES`.
        article: what goes before the word in a sentence: "a ", "an ", or nothing.
        plural: its name in the plural; empty for what is not counted.
        synonyms: other names for the same, in the singular.
        colours: the colours it comes in; empty where colour is not its own to choose.
        settings: the surroundings that a thing is painted in; empty for a place.
        times: the times of day it can be told to show, besides plain day.
        weathers: the weather it can be told to show, besides a clear sky.
    """

    word: str
    article: str
    plural: str
    synonyms: tuple[str, ...]
    colours: tuple[str, ...]
    settings: tuple[str, ...]
    times: tuple[str, ...]
    weathers: tuple[str, ...]

    @property
    def is_place(self) -> bool:
        """Whether it fills the whole picture rather than standing in a setting."""
        return not self.settings


def _thing(
    word: str,
    synonyms: str = "",
    *,
    colours: tuple[str, ...] = (),
    settings: tuple[str, ...] = _GROUND,
    plural: str = "",
    outdoors: bool = True,
) -> Subject:
    article = "an " if word[0] in "aeiou" else "a "
    names = tuple(synonyms.split(", ")) if synonyms else ()
    times, weathers = (TIMES, WEATHERS) if outdoors else ((), ())
    return Subject(word, article, plural or f"{word}s", names, colours, settings, times, weathers)


def _place(
    word: str,
    synonyms: str = "",
    *,
    article: str = "a ",
    times: tuple[str, ...] = (),
    weathers: tuple[str, ...] = (),
) -> Subject:
    names = tuple(synonyms.split(", ")) if synonyms else ()
    return Subject(word, article, "", names, (), (), times, weathers)


PLACES = (
    _place("sunset", "setting sun, sundown, sunset over the sea"),
    _place("beach", "sandy beach, seaside, shore", times=TIMES, weathers=("rain", "fog")),
    _place("forest", "woods, woodland", times=TIMES, weathers=WEATHERS),
    _place(
        "snowy mountains",
        "mountains, mountains with snow, snow-capped mountains, alps",
        article="",
        times=TIMES,
        weathers=("fog", "snow"),
    ),
    _place("night sky", "moon, night sky with moon, starry sky, stars"),
    _place("city skyline", "skyline, skyscrapers, city", times=TIMES, weathers=WEATHERS),
    _place("rainbow", "rainbow over the fields"),
    _place("desert", "sand dunes, dunes", times=TIMES),
    _place("lake", "pond, lake with trees", times=TIMES, weathers=WEATHERS),
    _place("waterfall", "cascade, falls", times=TIMES, weathers=("rain", "fog")),
    _place(
        "field of flowers",
        "flower field, flower meadow, blooming meadow",
        times=("dusk",),
        weathers=("rain", "fog"),
    ),
    _place("road", "country road, highway, empty road", times=TIMES, weathers=WEATHERS),
    _place("volcano", "volcanic eruption, erupting volcano", times=TIMES),
    _place("bridge", "suspension bridge", times=TIMES, weathers=WEATHERS),
    _place("island", "tropical island", article="an ", times=TIMES, weathers=("rain", "fog")),
    _place("fireworks", "firework display", article=""),
    _place("lightning", "thunderstorm, lightning storm", article=""),
    _place("pyramids", "pyramid, egyptian pyramids", article="", times=TIMES),
    _place("iceberg", "glacier ice", article="an ", times=TIMES, weathers=("snow", "fog")),
)

THINGS = (
    _thing("house", "home, cottage", colours=(*_BRIGHT, "brown")),
    _thing("castle", "fortress"),
    _thing("lighthouse", "light house"),
    _thing("windmill", "mill"),
    _thing("tent", "camping tent", colours=_BRIGHT),
    _thing("tree", "leafy tree", colours=("green", "orange", "yellow", "red", "pink")),
    _thing("palm tree", "palm", settings=("sand", "meadow", "plain")),
    _thing("cactus", "", plural="cacti", settings=("sand", "plain")),
    _thing("mushroom", "toadstool", colours=("red", "brown", "purple")),
    _thing("flower", "blossom", colours=("red", "yellow", "blue", "purple", "pink", "white")),
    _thing("car", "automobile", colours=_PAINT, settings=(*_STREET, "snowfield")),
    _thing("bus", "coach", colours=_PAINT[:5], settings=_STREET, plural="buses"),
    _thing("bicycle", "bike", colours=_PAINT[:4], settings=_STREET),
    _thing("train", "railway train, locomotive", colours=_PAINT[:4], settings=("meadow", "plain")),
    _thing("airplane", "plane, aeroplane, aircraft", colours=(), settings=("sky",)),
    _thing("hot air balloon", "", colours=_BRIGHT[:7], settings=("sky",)),
    _thing("rocket", "spaceship", settings=("sky",)),
    _thing(
        "sailing boat",
        "sailboat, boat, sailing ship",
        colours=("white", "red", "blue", "yellow", "orange"),
        settings=("water",),
    ),
    _thing("cat", "kitten", colours=_FUR, settings=("room", *_GROUND)),
    _thing(
        "dog", "puppy", colours=("brown", "black", "white", "grey"), settings=("room", *_GROUND)
    ),
    _thing(
        "bird",
        "songbird",
        colours=("red", "yellow", "blue", "green", "black"),
        settings=("branch",),
    ),
    _thing(
        "fish",
        "goldfish",
        colours=("orange", "yellow", "blue", "red", "purple"),
        settings=("underwater",),
        plural="fish",
        outdoors=False,
    ),
    _thing("butterfly", "", colours=_BRIGHT, settings=("sky", "meadow"), plural="butterflies"),
    _thing("penguin", "", settings=("snowfield", "plain")),
    _thing("turtle", "tortoise", settings=("sand", "meadow", "plain")),
    _thing("snowman", "", settings=("snowfield",), plural="snowmen"),
    _thing(
        "cake",
        "birthday cake",
        colours=("pink", "white", "brown", "yellow"),
        settings=_TABLE,
        outdoors=False,
    ),
    _thing("apple", "", colours=("red", "green", "yellow"), settings=_TABLE, outdoors=False),
    _thing("banana", "", settings=_TABLE, outdoors=False),
    _thing("pizza", "", settings=_TABLE, outdoors=False),
    _thing(
        "ice cream",
        "ice cream cone",
        colours=("pink", "white", "brown", "green"),
        settings=("plain",),
        outdoors=False,
    ),
    _thing("cup", "mug, cup of coffee", colours=_PAINT, settings=_TABLE, outdoors=False),
    _thing("clock", "wall clock", colours=_PAINT, settings=("plain", "room"), outdoors=False),
    _thing("umbrella", "parasol", colours=_BRIGHT[:7], settings=(*_STREET, "snowfield")),
    _thing(
        "book",
        "",
        colours=("red", "green", "blue", "brown", "purple"),
        settings=_TABLE,
        outdoors=False,
    ),
    _thing(
        "lamp",
        "table lamp",
        colours=("yellow", "white", "red", "green"),
        settings=("room", "table"),
        outdoors=False,
    ),
    _thing(
        "chair",
        "wooden chair",
        colours=("brown", "red", "blue", "green", "white"),
        settings=("room", "plain"),
        outdoors=False,
    ),
    _thing("guitar", "acoustic guitar", settings=("room", "plain"), outdoors=False),
    _thing("balloon", "party balloon", colours=_BRIGHT[:7], settings=("sky", "plain")),
)

SUBJECTS = {subject.word: subject for subject in (*PLACES, *THINGS)}
SCENES: tuple[str, ...] = tuple(SUBJECTS)


@dataclass(frozen=True, slots=True)
class Traits:
    """What a scene shows besides its subject; whatever is empty is left open.

    Attributes:
        colour: one of `COLOURS`.
        count: how many, 1 to 4; a single one needs no saying.
        position: "left" or "right".
        time: one of `TIMES`; plain day needs no saying.
        weather: one of `WEATHERS`; a clear sky needs no saying.
    """

    colour: str = ""
    count: int = 1
    position: str = ""
    time: str = ""
    weather: str = ""

    def stated(self) -> tuple[str, ...]:
        """Give the names of the traits that are not left open."""
        plain = Traits()
        return tuple(name for name in self.__slots__ if getattr(self, name) != getattr(plain, name))

    def fit(self, shown: Traits) -> bool:
        """Tell whether everything stated here is so in what is shown."""
        return all(getattr(self, name) == getattr(shown, name) for name in self.stated())
