"""Calls for the indexer's thread: run by it, or refused at once when it has ended."""

from __future__ import annotations

import threading

import pytest

from clipd.errors import StoppingError
from clipd.ingest.inbox import Inbox
from clipd.serve.answers import refused_by

PATIENCE_SECONDS = 10.0


@pytest.fixture
def inbox() -> Inbox:
    return Inbox(lambda: None)


def test_a_call_is_run_by_the_indexer_and_its_result_handed_out(inbox: Inbox) -> None:
    called = inbox.call(threading.get_ident)
    assert not called.done()
    inbox.run_calls()
    assert called.result(0) == threading.get_ident()


def test_what_a_call_raises_reaches_the_one_who_waits(inbox: Inbox) -> None:
    called = inbox.call(lambda: 1 // 0)
    inbox.run_calls()
    with pytest.raises(ZeroDivisionError):
        called.result(0)


def test_a_call_after_the_indexer_has_ended_is_refused_at_once(inbox: Inbox) -> None:
    inbox.close()
    with pytest.raises(StoppingError, match="clipd is stopping"):
        inbox.call(lambda: None).result(0)


def test_a_call_that_waits_when_the_indexer_ends_is_refused(inbox: Inbox) -> None:
    called = inbox.call(lambda: None)
    inbox.close()
    with pytest.raises(StoppingError):
        called.result(0)


def test_a_call_that_was_given_up_is_not_run(inbox: Inbox) -> None:
    ran: list[int] = []
    called = inbox.call(lambda: ran.append(1))
    assert called.cancel()
    inbox.run_calls()
    assert ran == []


def test_what_is_told_to_an_indexer_that_has_ended_is_passed_over(inbox: Inbox) -> None:
    ran: list[int] = []
    inbox.close()
    inbox.tell(lambda: ran.append(1))
    inbox.run_calls()
    assert ran == []


def test_no_call_is_lost_between_many_posters_and_the_end(inbox: Inbox) -> None:
    answered: list[bool] = []

    def post_many() -> None:
        for _ in range(200):
            try:
                answered.append(inbox.call(lambda: True).result(PATIENCE_SECONDS))
            except StoppingError:
                answered.append(False)

    posters = [threading.Thread(target=post_many) for _ in range(4)]
    for poster in posters:
        poster.start()
    while len(answered) < 100:
        inbox.run_calls()
    inbox.close()
    for poster in posters:
        poster.join(PATIENCE_SECONDS)
    assert len(answered) == 800
    assert not answered[-1]


def test_the_refusal_is_a_503_with_a_word_for_programs() -> None:
    response = refused_by(StoppingError())
    assert response.status_code == 503
    assert b'"stopping"' in response.body
