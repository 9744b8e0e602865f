import numpy as np

from clipd.pocket.scene_codes import encode_traits, fits
from clipd.pocket.words import Traits


def test_a_caption_fits_the_scenes_that_show_all_it_says_and_no_others() -> None:
    shown = [("car", Traits("red", time="night")), ("car", Traits("red")), ("bus", Traits("red"))]
    asked = [("car", Traits()), ("car", Traits("red", time="night")), ("bus", Traits("blue"))]
    table = fits(
        np.array([encode_traits(*each) for each in asked], np.int16),
        np.array([encode_traits(*each) for each in shown], np.int16),
    )
    assert table.tolist() == [[True, True, False], [True, False, False], [False, False, False]]
