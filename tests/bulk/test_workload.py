"""Batches of actors that die are halved until the file that kills stands alone."""

from __future__ import annotations

from clipd.bulk.batch import Batch
from clipd.bulk.workload import Workload
from clipd.store.vector_file import PortableFile

FILES = tuple(PortableFile(b"/photos/%d.jpg" % number, 1, 1) for number in range(10))


def run(workload: Workload, killers: set[PortableFile], ahead: int = 3) -> tuple[list[bytes], int]:
    """Play one actor that dies whenever it takes up a killer; return the refused, and its deaths.

    It has several batches at once, and loses all of them.
    """
    refused: list[bytes] = []
    done: list[PortableFile] = []
    deaths = 0
    while not workload.is_done:
        held: list[Batch] = []
        while len(held) < ahead and not any(batch.is_suspect for batch in held):
            batch = workload.take(has_nothing=not held)
            if batch is None:
                break
            held.append(batch)
        while held and not killers.intersection(held[0].files):
            done += held.pop(0).files
            workload.finish()
        deaths += bool(held)
        for batch in held:
            refused += [one.file.path for one in workload.lose(batch)]
    assert sorted(file.path for file in done) + sorted(refused) == sorted(
        [file.path for file in FILES if file not in killers]
    ) + sorted(file.path for file in killers)
    return refused, deaths


def test_all_files_are_handed_out_once_in_batches() -> None:
    workload = Workload(iter(FILES), 4)
    batches = [workload.take(has_nothing=True) for _ in range(4)]

    assert [len(batch.files) for batch in batches if batch] == [4, 4, 2]
    assert batches[3] is None
    assert not workload.is_done
    for _ in range(3):
        workload.finish()
    assert workload.is_done


def test_files_are_read_only_as_far_as_there_is_work_for() -> None:
    files = iter(FILES)
    Workload(files, 3).take(has_nothing=True)

    assert next(files) is FILES[3]


def test_nothing_to_do_is_known_without_anybody_who_takes_it() -> None:
    assert Workload(iter(()), 4).is_empty()
    assert not Workload(iter(FILES), 4).is_empty()


def test_a_file_that_kills_whoever_takes_it_up_is_refused_after_three_deaths_alone() -> None:
    refused, deaths = run(Workload(iter(FILES), 8), {FILES[5]})

    assert refused == [FILES[5].path]
    assert deaths <= 8  # 8, 4, 2, 1, then alone


def test_no_good_file_is_refused_for_a_bad_one_beside_it() -> None:
    killers = {FILES[0], FILES[1], FILES[9]}
    for size in (1, 2, 3, 10):
        refused, _ = run(Workload(iter(FILES), size), killers)
        assert sorted(refused) == sorted(file.path for file in killers)


def test_an_actor_that_has_work_is_given_no_suspect() -> None:
    workload = Workload(iter(FILES[:2]), 2)
    batch = workload.take(has_nothing=True)
    assert batch is not None
    workload.lose(batch)

    assert workload.take(has_nothing=False) is None
    suspect = workload.take(has_nothing=True)
    assert suspect is not None
    assert suspect.is_suspect


def test_a_batch_that_was_given_back_is_no_suspect() -> None:
    workload = Workload(iter(FILES), 10)
    batch = workload.take(has_nothing=True)
    assert batch is not None
    workload.give_back(batch)

    assert workload.take(has_nothing=False) == batch
