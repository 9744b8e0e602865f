from clipd.suggest import nearest


def test_a_wrong_word_is_answered_with_the_nearest_right_one() -> None:
    assert nearest("vit-b-32_256", ["ViT-L-14", "ViT-B-32-256"]) == ["ViT-B-32-256"]
    assert nearest("SETTLE", ["settle", "hidden"]) == ["settle"]


def test_several_are_named_the_likest_first() -> None:
    assert nearest("lake", ["cake", "lakes", "dog"], most=2) == ["lakes", "cake"]


def test_a_word_like_none_has_no_nearest() -> None:
    assert nearest("zzz", ["ViT-B-32"]) == []
    assert nearest("", ["settle"]) == []
