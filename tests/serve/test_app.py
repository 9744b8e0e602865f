from __future__ import annotations

import base64
import gc
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from clipd.errors import (
    CatalogCorruptError,
    CatalogLockedError,
    ModelMissingError,
    StorageFullError,
)
from clipd.search.query import Query, Term
from clipd.serve.protocol import Service
from clipd.store.conditions import Condition, InFolder, OfFormat
from clipd.store.verify import CheckScope, Verdict
from tests.serve.answering import IDLE, UGLY, GivenService, failure, running
from tests.serve.http_client import PATIENCE_SECONDS, ask, connected, fetch, warm_up


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[GivenService, Path]]:
    """One server for the module: a stop takes 0.1 s."""
    service = GivenService()
    with (
        tempfile.TemporaryDirectory(prefix="clipd-") as name,
        running(Path(name), service) as path,
    ):
        warm_up(path, service)
        yield service, path


@pytest.fixture
def service(server: tuple[GivenService, Path]) -> GivenService:
    service, _ = server
    service.asked.clear()
    service.before_search = lambda: None
    service.checks_end, service.check = True, None
    return service


@pytest.fixture
def socket(server: tuple[GivenService, Path]) -> Path:
    return server[1]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_the_double_is_a_service(service: GivenService) -> None:
    answering: Service = service  # the type checker's claim
    assert answering is service


def test_a_search_answers_with_the_keys_that_scripts_rely_on(socket: Path) -> None:
    reply = ask(socket, "GET", "/v1/search?q=sunset&limit=1")
    assert reply.status == 200
    took = reply.value.pop("took_ms")
    assert took == 1.5
    assert reply.value == {
        "query": "sunset",
        "model": "pocket",
        "note": "",
        "hits": [
            {
                "photo": 7,
                "path": "/photos/sunset.jpg",
                "score": 0.312346,
                "raw": 0.25,
                "offline": False,
                "also": [{"path": "/photos/copy.jpg"}],
                "taken": "2019-07-12T14:03:22",
                "taken_from": "exif",
                "place": "Florence, Italy",
                "tags": ["holiday"],
                "stands_for": 1,
                "key": 0.25,
                "content_hash": "00" * 16,
            }
        ],
        "reading": 'words "sunset"',
        "tips": [],
        "nothing": None,
        "left_out": False,
        "next": None,
        "matching": 3,
        "fingerprint": "",
        "order": "score",
    }


def test_a_path_that_is_not_utf8_is_shown_escaped_and_carried_whole(socket: Path) -> None:
    hit = ask(socket, "GET", "/v1/search?q=x").value["hits"][1]
    assert hit["path"] == "/photos/caf\\xe9\n\x1b[31mred\t.jpg"
    assert base64.b64decode(hit["path_b64"]) == UGLY


@pytest.mark.parametrize(
    ("method", "address", "body", "expected"),
    [
        ("GET", "/v1/search?q=%20two%20words", None, Query((Term(text="two words"),))),
        (
            "GET",
            "/v1/search?q=caf%C3%A9&limit=3&min_score=-0.5",
            None,
            Query((Term(text="café"),), 3, -0.5),
        ),
        ("GET", "/v1/search?q=5", None, Query((Term(text="5"),))),
        (
            "GET",
            "/v1/search?q=cat%20type:jpg%20like:@2%20like:a.jpg&folder=/x&list=4,7&anyway=true"
            "&members=true&typing=true",
            None,
            Query(
                (Term(text="cat"), Term(photo=7), Term(path=b"/x/a.jpg")),
                conditions=(Condition((OfFormat("JPEG"),), label="type jpg"),),
                anyway=True,
                members=True,
                typing=True,
            ),
        ),
        (
            "POST",
            "/v1/search",
            {"q": "in:~/a -cat", "home": "/home/me", "list": [], "explain": True},
            Query(
                (Term(-1.0, text="cat"),),
                conditions=(Condition((InFolder(b"/home/me/a"),), label="in ~/a"),),
                explain=True,
            ),
        ),
        ("POST", "/v1/search", {"query": "type:jpg"}, Query((Term(text="type:jpg"),), anyway=True)),
        (
            "POST",
            "/v1/search",
            {"filters": [{"key": "type", "values": ["png", "gif"], "not": True}], "after": "x"},
            Query(
                (),
                conditions=(
                    Condition((OfFormat("PNG"), OfFormat("GIF")), True, "not type png or gif"),
                ),
                after="x",
                anyway=True,
            ),
        ),
        (
            "GET",
            "/v1/search?path=/photos/caf%E9%0A%1B[31mred%09.jpg",
            None,
            Query((Term(path=UGLY),)),
        ),
        (
            "POST",
            "/v1/search",
            {"query": "sea", "limit": 2},
            Query((Term(text="sea"),), 2, anyway=True),
        ),
        (
            "POST",
            "/v1/search",
            {
                "terms": [
                    {"text": "beach"},
                    {"text": "people", "weight": -1},
                    {"path_b64": b64(UGLY), "weight": 0.5},
                    {"picture_b64": b64(b"\xff\xd8jpeg")},
                ],
                "min_score": 0,
            },
            Query(
                (
                    Term(text="beach"),
                    Term(-1.0, text="people"),
                    Term(0.5, path=UGLY),
                    Term(picture=b"\xff\xd8jpeg"),
                ),
                None,
                0.0,
                anyway=True,
            ),
        ),
    ],
)
def test_every_way_to_write_a_search_means_the_same_query(
    socket: Path,
    service: GivenService,
    method: str,
    address: str,
    body: object,
    expected: Query,
) -> None:
    assert ask(socket, method, address, body).status == 200
    assert service.asked == [expected]


def test_a_picture_is_searched_for_by_its_bytes(socket: Path, service: GivenService) -> None:
    picture = os.urandom(3_000_000)
    for kind in ("application/octet-stream", "image/jpeg"):
        assert ask(socket, "POST", "/v1/search?limit=2", picture, kind).status == 200
    assert service.asked == [Query((Term(picture=picture),), 2)] * 2


VECTORS: dict[str, object] = {"model": "pocket", "fingerprint": "4f1b", "photos": []}
PHOTO = {"hash": "", "vector": "", "width": 1, "height": 1, "format": "JPEG", "taken": ""}


@pytest.mark.parametrize(
    ("method", "address", "body", "status", "code", "hint"),
    [
        ("GET", "/v1/search", None, 400, "query_empty", "?q="),
        ("GET", "/v1/search?q=", None, 400, "query_empty", "empty"),
        ("GET", "/v1/search?q=%20%0a", None, 400, "query_empty", "empty"),
        ("GET", "/v1/search?q=" + "x" * 1001, None, 400, "query_too_long", "1,000"),
        ("GET", "/v1/search?q=a%00b", None, 400, "query_not_text", "control"),
        ("GET", "/v1/search?q=a%1Bb", None, 400, "query_not_text", "control"),
        ("GET", "/v1/search?q=%FF", None, 400, "query_not_text", "'q'"),
        ("GET", "/v1/search?q=x&limit=0", None, 400, "bad_value", "1 to 10,000"),
        ("GET", "/v1/search?q=x&limit=many", None, 400, "bad_type", "whole number"),
        ("GET", "/v1/search?q=x&limit=true", None, 400, "bad_type", "true or false"),
        ("GET", "/v1/search?q=x&limit=" + "9" * 5000, None, 400, "bad_type", "limit"),
        ("GET", "/v1/search?q=x&min_score=2", None, 400, "bad_value", "-1 to 1"),
        ("GET", "/v1/search?q=x&min_score=NaN", None, 400, "bad_type", "number"),
        ("GET", "/v1/search?q=x&lmit=2", None, 400, "unknown_key", "did you mean 'limit'?"),
        ("GET", "/v1/search?q=x&q=y", None, 400, "bad_request", "twice"),
        ("GET", "/v1/search?" + "a&" * 100, None, 400, "bad_request", "too many"),
        ("GET", "/v1/search?path=relative.jpg", None, 400, "bad_path", "absolute"),
        ("GET", "/v1/search?path=/a%00b", None, 400, "bad_path", "NUL"),
        ("GET", "/v1/search?path=/a&q=b", None, 400, "bad_request", "not both"),
        ("GET", "/v1/search?path=/nowhere.jpg", None, 404, "no_such_file", "no file"),
        ("GET", "/v1/search?q=x&list=a", None, 400, "bad_type", "'list'"),
        ("GET", "/v1/search?q=x&folder=a", None, 400, "bad_path", "absolute"),
        ("GET", "/v1/search?q=x&anyway=1", None, 400, "bad_type", "true or false"),
        ("GET", "/v1/search?q=like:@1", None, 400, "query", "no last list"),
        ("POST", "/v1/search", {"filters": {}}, 400, "bad_type", "list"),
        (
            "POST",
            "/v1/search",
            {"filters": [{"key": "tpye", "values": ["a"]}]},
            400,
            "bad_value",
            "did you mean type?",
        ),
        (
            "POST",
            "/v1/search",
            {"filters": [{"key": "type", "values": ["jpgg"]}]},
            400,
            "bad_value",
            "did you mean jpg?",
        ),
        ("POST", "/v1/search", {"filters": [{"key": "in", "values": []}]}, 400, "bad_type", "list"),
        ("POST", "/v1/search", {"q": "a", "query": "b"}, 400, "query_empty", "one of"),
        ("POST", "/v1/search", None, 400, "query_empty", "'query'"),
        ("POST", "/v1/search", b"{", 400, "bad_json", "not JSON"),
        ("POST", "/v1/search", b"\xff\xfe\x00", 400, "bad_json", "not JSON"),
        ("POST", "/v1/search", b"[" * 200_000, 400, "bad_json", "nested"),
        ("POST", "/v1/search", b'{"limit": NaN}', 400, "bad_json", "NaN"),
        ("POST", "/v1/search", b"1" * 5000, 400, "bad_json", "not JSON"),
        ("POST", "/v1/search", ["sunset"], 400, "bad_type", "not a list"),
        ("POST", "/v1/search", {"query": 5}, 400, "bad_type", "string, not a number"),
        ("POST", "/v1/search", {"query": None}, 400, "bad_type", "null"),
        ("POST", "/v1/search", {"qeury": "x"}, 400, "unknown_key", "did you mean 'query'?"),
        ("POST", "/v1/search", {"query": "\udc80"}, 400, "query_not_text", "bytes"),
        ("POST", "/v1/search", {"query": "x", "limit": 1.5}, 400, "bad_type", "whole"),
        ("POST", "/v1/search", b'{"query":"x","min_score":1e999}', 400, "bad_value", "-1"),
        ("POST", "/v1/search", {"query": "x", "terms": []}, 400, "query_empty", "one of"),
        ("POST", "/v1/search", {"terms": []}, 400, "query_empty", "empty"),
        ("POST", "/v1/search", {"terms": {}}, 400, "bad_type", "list"),
        ("POST", "/v1/search", {"terms": ["x"]}, 400, "bad_type", "a term must be an object"),
        ("POST", "/v1/search", {"terms": [{}]}, 400, "bad_request", "one of"),
        ("POST", "/v1/search", {"terms": [{"text": "x"}] * 33}, 400, "query_too_long", "32"),
        (
            "POST",
            "/v1/search",
            {"terms": [{"text": "x", "path": "/a"}]},
            400,
            "bad_request",
            "one of",
        ),
        ("POST", "/v1/search", {"terms": [{"text": "x", "weight": 0}]}, 400, "bad_value", "0"),
        ("POST", "/v1/search", {"terms": [{"text": "x", "weight": "2"}]}, 400, "bad_type", "num"),
        ("POST", "/v1/search", {"terms": [{"path": "/\udcff"}]}, 400, "bad_path", "path_b64"),
        ("POST", "/v1/search", {"terms": [{"path": "/a" * 3000}]}, 400, "bad_path", "4,096"),
        ("POST", "/v1/search", {"terms": [{"picture_b64": "*"}]}, 400, "bad_base64", "base64"),
        ("POST", "/v1/search", {"terms": [{"picture_b64": ""}]}, 400, "picture_empty", "bytes"),
        ("POST", "/v1/search?limit=2", {"query": "x"}, 400, "unknown_key", "'limit'"),
        ("POST", "/v1/rescan", {"path": 5}, 400, "bad_type", "string"),
        ("POST", "/v1/rescan", {"folder": "/a"}, 400, "unknown_key", "path"),
        ("POST", "/v1/pause", {"now": True}, 400, "unknown_key", "'now'"),
        ("POST", "/v1/model/switch", {"model": "a"}, 400, "unknown_key", "'model'"),
        ("POST", "/v1/forget", {}, 400, "bad_request", "'model' or 'others'"),
        ("POST", "/v1/forget", {"model": "a", "others": True}, 400, "bad_request", "not both"),
        ("POST", "/v1/forget", {"others": False}, 400, "bad_value", "must be true"),
        ("POST", "/v1/forget", {"model": 7}, 400, "bad_type", "a string"),
        ("POST", "/v1/forget", {"model": "pocket"}, 409, "model_in_use", "in use"),
        ("POST", "/v1/vectors", {}, 400, "bad_request", "has no 'model'"),
        ("POST", "/v1/vectors", VECTORS | {"photos": 7}, 400, "bad_value", "a list of 1,000"),
        ("POST", "/v1/vectors", VECTORS | {"photos": [{}]}, 400, "bad_request", "no 'hash'"),
        (
            "POST",
            "/v1/vectors",
            VECTORS | {"photos": [PHOTO | {"files": [{}]}]},
            400,
            "bad_request",
            "no 'path_b64'",
        ),
        (
            "POST",
            "/v1/vectors",
            VECTORS
            | {"photos": [PHOTO | {"files": [{"path_b64": "YQ==", "size": 1, "mtime_ns": 1}]}]},
            400,
            "bad_path",
            "absolute",
        ),
        (
            "POST",
            "/v1/vectors",
            VECTORS | {"photos": [PHOTO | {"files": [1] * 65}]},
            400,
            "bad_value",
            "64",
        ),
        (
            "POST",
            "/v1/vectors",
            VECTORS | {"photos": [PHOTO | {"width": 0}]},
            400,
            "bad_value",
            "width",
        ),
        ("POST", "/v1/vectors", VECTORS | {"photos": [1] * 1001}, 400, "bad_value", "1,000"),
        ("POST", "/v1/vectors", VECTORS | {"model": "old"}, 409, "wrong_model", "not the model"),
        ("POST", "/v1/verify", {"repair": "yes"}, 400, "bad_type", "true or false"),
        ("GET", "/v1/complete?q=cat&at=4", None, 400, "bad_value", "0 to 3"),
        ("GET", "/v1/complete?q=" + "x" * 1001, None, 400, "query_too_long", "1,000"),
        ("GET", "/v1/dupes?by=looks", None, 400, "bad_value", "copy, burst, look"),
        ("GET", "/v1/dupes?limit=0", None, 400, "bad_value", "10,000"),
        ("GET", "/v1/errors?after=*", None, 400, "bad_base64", "after"),
        ("GET", "/v1/errors?limit=0", None, 400, "bad_value", "10,000"),
        ("GET", "/v1/serach", None, 404, "not_found", "did you mean /v1/search?"),
        ("GET", "/", None, 404, "not_found", "/v1/status"),
        ("GET", "/v1/status/", None, 404, "not_found", "/v1/status"),
        ("DELETE", "/v1/search", None, 405, "method_not_allowed", "DELETE"),
        ("GET", "/v1/pause", None, 405, "method_not_allowed", "POST"),
        ("GET", "/v1/ping?x=1", None, 400, "unknown_key", "'x'"),
    ],
)
def test_a_bad_request_is_refused_with_a_code_and_a_sentence(
    socket: Path, method: str, address: str, body: object, status: int, code: str, hint: str
) -> None:
    reply = ask(socket, method, address, body)
    assert (reply.status, reply.code) == (status, code)
    assert hint in reply.message
    assert ask(socket, "GET", "/v1/ping").status == 200


def test_a_query_that_cannot_be_read_is_refused_with_the_place_in_its_text(socket: Path) -> None:
    reply = ask(socket, "GET", "/v1/search?q=%20cat%20type:jpgg%20dog")
    assert (reply.status, reply.code) == (400, "query")
    assert "did you mean jpg?" in reply.message
    assert reply.value["error"]["span"] == [5, 14]


def test_a_wrong_method_is_told_the_right_one(socket: Path) -> None:
    assert ask(socket, "PUT", "/v1/verify").headers["allow"] == "POST"


def test_an_empty_picture_is_refused(socket: Path) -> None:
    reply = ask(socket, "POST", "/v1/search", b"", "image/jpeg")
    assert (reply.status, reply.code) == (400, "picture_empty")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ModelMissingError("no weights; clipd model fetch"), 503, "model_missing"),
        (StorageFullError("the disk is full"), 507, "storage_full"),
        (CatalogCorruptError("the catalog is damaged"), 503, "catalog_corrupt"),
        (CatalogLockedError("another program holds it"), 503, "catalog_locked"),
    ],
)
def test_an_error_raised_on_purpose_reaches_the_client_as_its_sentence(
    socket: Path, service: GivenService, error: Exception, status: int, code: str
) -> None:
    def fail() -> None:
        raise error

    service.before_search = fail
    reply = ask(socket, "GET", "/v1/search?q=x")
    assert (reply.status, reply.code, reply.message) == (status, code, str(error))


def test_a_bug_answers_500_and_leaves_its_traceback_in_the_log_only(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with running(folder, GivenService(before_search=lambda: print(1 / 0))) as socket:
        reply = ask(socket, "GET", "/v1/search?q=x")
        assert (reply.status, reply.code) == (500, "internal")
        assert ask(socket, "GET", "/v1/ping").status == 200
    assert "ZeroDivisionError" in caplog.text


def test_a_photo_comes_as_pixels_that_fit_into_a_box(socket: Path, service: GivenService) -> None:
    status, headers, body = fetch(socket, "/v1/photos/7/thumbnail?fit=12x1024")
    assert (status, headers["content-type"]) == (200, "application/octet-stream")
    assert (headers["clipd-width"], headers["clipd-height"]) == ("12", "1024")
    assert len(body) == 3 * 12 * 1024
    assert service.asked[0] == (7, (12, 1024))


@pytest.mark.parametrize(
    "fit",
    [
        *("0x9", "9x0", "1025x9", "9x1025", "9", "x", "", "-9x9", "9x9x9", "1e3x9", "9%20x9"),
        *("٣x٣", "9" * 5000 + "x1", "9x9&side=256"),
    ],
)
def test_a_box_that_is_none_is_refused(socket: Path, service: GivenService, fit: str) -> None:
    reply = ask(socket, "GET", f"/v1/photos/7/thumbnail?fit={quote(fit, safe='%=&')}")
    assert reply.status == 400
    assert "fit" in reply.message
    assert not service.asked


def test_a_query_is_completed(socket: Path, service: GivenService) -> None:
    reply = ask(socket, "GET", "/v1/complete?q=cat%20cam%20x&at=7&folder=/x&home=/home/me")
    assert reply.value == {"from": 4, "to": 7, "options": ['camera:"Canon EOS 80D"']}
    assert ask(socket, "GET", "/v1/complete").status == 200
    assert service.asked == [("cat cam x", 7, b"/x", b"/home/me"), ("", 0, None, None)]


def test_duplicates_come_in_groups(socket: Path, service: GivenService) -> None:
    reply = ask(socket, "GET", "/v1/dupes?by=look&limit=5")
    assert (reply.value["by"], reply.value["total"], reply.value["took_ms"]) == ("look", 1, 2.5)
    (group,) = reply.value["groups"]
    assert group["best"] == 7
    assert [photo["path"] for photo in group["photos"]] == ["/photos/sunset.jpg"]
    assert ask(socket, "GET", "/v1/dupes").status == 200
    assert service.asked == [("look", 5), ("copy", 1000)]


def test_status_is_passed_on_as_the_daemon_says_it(socket: Path) -> None:
    assert ask(socket, "GET", "/v1/status").value == IDLE


def test_ping_names_the_process(socket: Path) -> None:
    assert ask(socket, "GET", "/v1/ping").value["pid"] == os.getpid()


def test_errors_come_in_pages_that_lose_none(socket: Path, service: GivenService) -> None:
    service.failures = tuple(
        failure(b"/photos/%02d\xff.jpg" % one, "skipped" if one == 3 else "corrupt", "cut")
        for one in range(7)
    )
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        address = "/v1/errors?limit=2&after=" + after.replace("+", "%2B")
        page = ask(socket, "GET", address).value
        seen += [one["path"] for one in page["errors"]]
        after = page["next"]
    assert seen == [f"/photos/{one:02}\\xff.jpg" for one in (0, 1, 2, 4, 5, 6)]
    everything = ask(socket, "GET", "/v1/errors?skipped=true").value["errors"]
    assert len(everything) == 7
    assert set(everything[3]) == {"path", "path_b64", "reason", "kind", "since"}


def test_commands_reach_the_daemon(socket: Path, service: GivenService) -> None:
    for address, body in [
        ("/v1/rescan", None),
        ("/v1/rescan", {"path": "/photos/../photos/a/"}),
        ("/v1/rescan", {"path_b64": b64(UGLY)}),
        ("/v1/pause", None),
        ("/v1/resume", {}),
    ]:
        assert ask(socket, "POST", address, body).value == {"ok": True}
    rescans = [("rescan", None), ("rescan", b"/photos/a"), ("rescan", UGLY)]
    assert service.asked == [*rescans, "pause", "resume"]


def test_verify_tells_what_is_wrong_and_what_was_repaired(
    socket: Path, service: GivenService
) -> None:
    wrong = ask(socket, "POST", "/v1/verify").value
    assert wrong["ok"] is False
    assert wrong["problems"] == ["the index lacks 1 photo"]
    difference = wrong["differences"][0]
    assert (difference["kind"], difference["count"]) == ("index-lacks", 1)
    assert base64.b64decode(difference["paths"][0]["path_b64"]) == UGLY
    assert wrong["passed_over"] == [{"path": "/usb", "reason": "the folder is missing"}]

    repaired = ask(socket, "POST", "/v1/verify", {"repair": True, "disk": True}).value
    assert repaired["ok"] is True
    assert [one["kind"] for one in repaired["repaired"]] == ["index-lacks"]
    assert service.asked == [CheckScope(), CheckScope(disk=True, repair=True)]


def test_a_check_tells_how_far_it_is_line_by_line(socket: Path, service: GivenService) -> None:
    service.checks_end = False
    with following_a_check(socket) as lines:
        first = json.loads(next(lines))
        assert first == {"stage": "vectors", "done": 500, "total": 1000, "seconds_left": 65.0}
        assert service.check is not None
        service.check.verdict.set_result(Verdict(photos=3))
        last = [json.loads(line) for line in lines][-1]
    assert last["ok"] is True
    assert last["photos"] == 3


def test_a_client_that_leaves_ends_its_check(socket: Path, service: GivenService) -> None:
    service.checks_end = False
    with following_a_check(socket) as lines:
        next(lines)
        assert service.check is not None
        assert not service.check.stopped.is_set()
    assert service.check.stopped.wait(PATIENCE_SECONDS)


def test_a_client_that_leaves_without_lines_ends_its_check_too(
    socket: Path, service: GivenService
) -> None:
    service.checks_end = False
    with connected(socket) as sock:
        sock.sendall(b"POST /v1/verify HTTP/1.1\r\nHost: clipd\r\nContent-Length: 0\r\n\r\n")
        wait_until(lambda: service.check is not None)
    assert service.check is not None
    assert service.check.stopped.wait(PATIENCE_SECONDS)


def test_a_check_whose_client_has_left_is_no_error_in_the_log(
    socket: Path, service: GivenService, caplog: pytest.LogCaptureFixture
) -> None:
    for body in (b"{}", b'{"progress": true}'):
        service.checks_end, service.check = False, None
        with connected(socket) as sock:
            head = b"POST /v1/verify HTTP/1.1\r\nHost: clipd\r\nContent-Length: %d\r\n\r\n"
            sock.sendall(head % len(body) + body)
            wait_until(lambda: service.check is not None)
        assert service.check is not None
        assert service.check.stopped.wait(PATIENCE_SECONDS)
        service.check = None
        assert ask(socket, "GET", "/v1/ping").status == 200  # the server has gone on
        gc.collect()
    assert "never retrieved" not in caplog.text


def test_a_check_that_fails_says_why_in_its_last_line(socket: Path, service: GivenService) -> None:
    service.checks_end = False
    with following_a_check(socket) as lines:
        next(lines)
        assert service.check is not None
        service.check.verdict.set_exception(StorageFullError("the disk is full"))
        last = [json.loads(line) for line in lines][-1]
    assert last == {"error": {"code": "storage_full", "message": "the disk is full"}}


@contextmanager
def following_a_check(path: Path) -> Iterator[Iterator[bytes]]:
    """Ask for a check with progress, as clipctl does; yield the lines of the answer."""
    body = b'{"progress": true}'
    with connected(path) as sock:
        sock.sendall(b"POST /v1/verify HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        with sock.makefile("rb") as lines:
            head = b"".join(iter(lines.readline, b"\r\n"))
            assert b" 200 " in head
            assert b"application/x-ndjson" in head
            yield lines


def wait_until(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not claim():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)
