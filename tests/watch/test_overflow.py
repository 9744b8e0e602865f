from __future__ import annotations

from clipd.watch.overflow import LostEvents


def test_a_loss_is_scanned_for_at_once_and_the_next_when_five_such_scans_would_have_ended() -> None:
    lost = LostEvents(b"/photos")
    lost.happened()
    assert lost.is_due()
    assert not lost.is_due()

    lost.scan_took(1000.0)
    lost.happened()
    assert not lost.is_due()
    assert lost.is_waiting


def test_the_long_first_scan_does_not_put_off_what_short_ones_can_see_to() -> None:
    lost = LostEvents(b"/photos")
    lost.scan_took(1000.0)
    lost.happened()
    assert lost.is_due()

    lost.scan_took(0.0)
    lost.happened()
    assert lost.is_due()
