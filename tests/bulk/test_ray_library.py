"""Which clusters are spoken to."""

from __future__ import annotations

import pytest

from clipd.bulk.crew import Staffing, staffing
from clipd.bulk.ray_library import Node, head_address, insist_on_trust
from clipd.errors import BulkError

SAFE = {"RAY_AUTH_MODE": "token", "RAY_USE_TLS": "1"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("local", ""),
        ("ray://head", "ray://head:10001"),
        ("ray://head.lan:7", "ray://head.lan:7"),
        ("ray://10.0.0.1", "ray://10.0.0.1:10001"),
        ("ray://[fd00::1]", "ray://[fd00::1]:10001"),
        ("ray://[fd00::1]:99", "ray://[fd00::1]:99"),
    ],
)
def test_an_address_may_leave_out_the_port(written: str, meant: str) -> None:
    assert head_address(written) == meant


@pytest.mark.parametrize(
    "written",
    ["head", "ray://", "ray:head", "http://head", "ray://head:x", "ray://head:0", "ray://a b",
     "ray://head:99999", "Local", "", "ray://head/x", "ray://fd00::1"],
)  # fmt: skip
def test_what_is_no_address_is_told_how_to_write_one(written: str) -> None:
    with pytest.raises(BulkError, match="write it as ray://HEAD"):
        head_address(written)


def test_a_cluster_is_asked_with_a_token_and_over_tls_or_not_at_all() -> None:
    insist_on_trust("ray://head:10001", SAFE)
    for missing, word in (("RAY_AUTH_MODE", "without a token"), ("RAY_USE_TLS", "unencrypted")):
        environment = {name: value for name, value in SAFE.items() if name != missing}
        with pytest.raises(BulkError, match=rf"{word}.*--trust-network"):
            insist_on_trust("ray://head:10001", environment)
    with pytest.raises(BulkError, match=r"without a token .* and unencrypted"):
        insist_on_trust("ray://head:10001", {"RAY_AUTH_MODE": "disabled", "RAY_USE_TLS": "0"})


@pytest.mark.parametrize(
    ("nodes", "actors", "expected"),
    [
        ([Node("a", 8, 0), Node("b", 4, 0)], 0, Staffing(2, 4, 0, False)),
        ([Node("a", 8, 2), Node("b", 8, 1)], 0, Staffing(3, 4, 1, True)),
        ([Node("a", 2, 0)], 4, Staffing(4, 1, 0, True)),
        ([Node("a", 8, 1), Node("b", 8, 0)], 2, Staffing(2, 8, 0, False)),
        ([Node("head", 0, 0), Node("b", 16, 1)], 0, Staffing(1, 16, 1, False)),
    ],
)
def test_actors_share_what_the_machines_have(
    nodes: list[Node], actors: int, expected: Staffing
) -> None:
    assert staffing(nodes, actors) == expected


def test_a_cluster_without_processors_is_told() -> None:
    with pytest.raises(BulkError, match="no machine with processors"):
        staffing([Node("head", 0, 0)], 0)
