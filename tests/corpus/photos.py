"""Painted photos with captions, in folders and under names as people have them."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image

from clipd.pocket.scenes import draw
from tests.corpus.pieces import Piece, saved

SIZE = (320, 240)
_NAMES = {
    "2024/sunset.jpg": "sunset",
    "2024/IMG_0002.JPG": "snowy mountains",
    "2024/Été à la mer/plage 1.jpg": "beach",
    "2024/Été à la mer/фото.jpeg": "a sailing boat",
    "2024/trip/night/over the city.jpg": "city skyline",
    "写真/猫.jpg": "a cat",
    "写真/犬 🐕.jpg": "a dog",
    'a\'b "c" $d;e&f.jpg': "a red car",
    "line\nbreak.jpg": "lighthouse",
    "x" * 250 + ".jpg": "balloon",
    "cakes/is it a cake?.jpg.jpg": "cake",
    "forest.jpg": "forest",
}
_UNDO = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # orientation -> the Image.Transpose before it


def photos() -> Iterator[Piece]:
    """Paint the pieces of ``photos/``."""
    for seed, (name, scene) in enumerate(_NAMES.items()):
        image = draw(scene, seed, SIZE)
        content = saved(image, "JPEG", quality=90)
        path = f"photos/{name}"
        yield Piece(path=path, content=content, format="JPEG", size=SIZE, caption=scene)
    copied = saved(draw("forest", 99, SIZE), "JPEG")
    for name in ("copies/one.jpg", "copies/two.jpg", "three.jpg"):
        yield Piece(path=f"photos/{name}", content=copied, format="JPEG", size=SIZE)


def turned() -> Iterator[Piece]:
    """Paint the pieces of ``exif/orientation/``: each shape is one picture, stored in nine ways."""
    for shape, size in (("Landscape", (480, 360)), ("Portrait", (360, 480))):
        upright = draw("a red car left", 3, size)
        for orientation in range(9):
            stored = upright
            if orientation in _UNDO:
                stored = upright.transpose(Image.Transpose(_UNDO[orientation]))
            exif = Image.Exif()
            exif[0x0112] = orientation  # 0 is no orientation of EXIF; some cameras write it
            yield Piece(
                path=f"exif/orientation/{shape}_{orientation}.jpg",
                content=saved(stored, "JPEG", quality=95, exif=exif),
                format="JPEG",
                size=stored.size,
            )
