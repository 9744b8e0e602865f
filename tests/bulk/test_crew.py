"""A cluster of two nodes whose actors and nodes are killed midway."""

from __future__ import annotations

import ctypes
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from clipd.bulk.part_folder import REFUSED, refused_in
from tests import processes
from tests.bulk.bulk_home import SECONDS, BulkHome, bulk_home, descendants
from tests.daemon import album
from tests.daemon.wire import wait_until

pytestmark = pytest.mark.engines
_IN_OPEN = 0x20  # inotify(7)


class RayCluster:
    """A head with one processor, and a second node with another, on loopback."""

    def __init__(self, folder: str, environment: dict[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._gcs, self._client = free_port(), free_port()
        self.address = f"ray://127.0.0.1:{self._client}"
        self.nodes: list[subprocess.Popen[bytes]] = []

    def start_head(self) -> None:
        client = f"--ray-client-server-port={self._client}"
        place = f"--temp-dir={self._folder}"
        self._start("--head", f"--port={self._gcs}", client, place, "--include-dashboard=false")
        wait_until(lambda: listens(self._client), SECONDS)

    def start_node(self) -> None:
        self._start(f"--address=127.0.0.1:{self._gcs}")

    def actors(self, node: int) -> list[processes.Process]:
        """Return the processes of actors of ours that run on a node."""
        below = descendants(self.nodes[node].pid)
        return [one for one in below if one.command.startswith("ray::_Actor")]

    def lose(self, node: int) -> None:
        """Kill all of a node at once, as a power cut does."""
        for one in [*descendants(self.nodes[node].pid), processes.look(self.nodes[node].pid)]:
            if one is not None and one.is_alive:
                os.kill(one.pid, signal.SIGKILL)
        self.nodes[node].wait()

    def close(self) -> None:
        for node in reversed(range(len(self.nodes))):
            family = descendants(self.nodes[node].pid)
            self.nodes[node].terminate()
            try:
                self.nodes[node].wait(20)
            except subprocess.TimeoutExpired:
                self.nodes[node].kill()
                self.nodes[node].wait()
            for one in family:
                if one.is_alive:
                    os.kill(one.pid, signal.SIGKILL)

    def _start(self, *words: str) -> None:
        command = [sys.executable, "-P", "-m", "ray.scripts.scripts", "start", *words]
        limits = ["--num-cpus=1", "--node-ip-address=127.0.0.1", "--block"]
        with open(Path(self._folder, f"node{len(self.nodes)}.log"), "wb") as log:
            self.nodes.append(
                subprocess.Popen(
                    [*command, *limits, "--object-store-memory=100000000"],
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd="/",
                )
            )


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        assert isinstance(port, int)
        return port


def listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def cluster_for(home: BulkHome, **environment: str) -> Iterator[RayCluster]:
    with tempfile.TemporaryDirectory(prefix="clipd-ray-", ignore_cleanup_errors=True) as folder:
        cluster = RayCluster(folder, home.environment_of() | environment)
        try:
            cluster.start_head()
            yield cluster
        finally:
            cluster.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BulkHome]:
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    quiet = {"RAY_USAGE_STATS_ENABLED": "0"}
    with bulk_home(tmp_path_factory.mktemp("crew"), token | quiet) as made:
        yield made


@pytest.fixture
def cluster(home: BulkHome) -> Iterator[RayCluster]:
    with cluster_for(home) as made:
        made.start_node()
        yield made


def test_what_a_killed_actor_and_a_lost_node_had_is_done_by_others(
    home: BulkHome, cluster: RayCluster
) -> None:
    clear(home)
    home.paint(800)
    driver = home.start(cluster.address, "--trust-network", "--part-photos=32", "--actors=2")
    with ExitStack() as held:
        held.callback(driver.communicate)
        held.callback(driver.kill)
        wait_until(lambda: home.has_parts(2) and cluster.actors(0) and cluster.actors(1), SECONDS)
        os.kill(cluster.actors(0)[0].pid, signal.SIGKILL)
        wait_until(lambda: home.has_parts(6), SECONDS)
        cluster.lose(1)
        out, err = driver.communicate(timeout=SECONDS)

    assert driver.returncode == 0, err.decode()
    assert b"800 encoded, 0 refused" in out
    assert home.paths_done() == home.paths()


def test_a_file_that_kills_whoever_opens_it_is_refused_and_the_others_are_done(
    home: BulkHome,
) -> None:
    clear(home)
    home.paint(3)
    killer = album.save(home.photos / "killer.jpg", album.new("a cat"))
    os.truncate(killer, 1 << 30)  # so that it takes a second to read
    with opened(killer) as openings:
        driver = home.start("local")
        deaths = 0
        while driver.poll() is None:
            for _ in openings(0.2):
                for one in descendants(driver.pid):
                    if one.command.startswith("ray::_Actor") and one.is_alive:
                        os.kill(one.pid, signal.SIGKILL)
                        deaths += 1
        out, err = driver.communicate()

    assert driver.returncode == 0, err.decode()
    assert b"3 encoded, 1 refused" in out
    assert [(one.file.path, one.kind) for one in refused_in(home.out / REFUSED)] == [
        (os.fsencode(killer), "crash")
    ]
    assert 4 <= deaths <= 7  # with three others, with another one, and then alone


@pytest.mark.skipif(not shutil.which("openssl"), reason="the certificates are made by openssl")
def test_a_cluster_with_tls_and_a_token_is_used_and_one_without_a_token_is_not(
    home: BulkHome, tmp_path: Path
) -> None:
    clear(home)
    home.paint(8)
    safe = replace(home, environment={**home.environment, **certificates(tmp_path)})
    with cluster_for(safe) as cluster:
        assert safe.run(cluster.address)["encoded"] == 8
        stranger = {**safe.environment, "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        told = replace(safe, out_name="b", environment=stranger).run(cluster.address, code=4)
        assert "see whether the token is the head's" in told["error"]["message"]
    with cluster_for(safe, RAY_AUTH_MODE="disabled") as cluster:
        told = replace(safe, out_name="c").run(cluster.address, code=4)
        assert "lets in whoever comes" in told["error"]["message"]


def test_a_head_that_goes_away_ends_the_run_with_a_sentence_and_its_parts_stay(
    home: BulkHome,
) -> None:
    clear(home)
    home.paint(400)
    with cluster_for(home) as cluster:
        driver = home.start(cluster.address, "--trust-network", "--part-photos=32")
        with ExitStack() as held:
            held.callback(driver.communicate)
            held.callback(driver.kill)
            wait_until(lambda: home.has_parts(2), SECONDS)
            cluster.lose(0)
            _, err = driver.communicate(timeout=SECONDS)

    assert driver.returncode == 4
    assert b"run the same command again" in err, err.decode()
    assert b"Traceback" not in err, err.decode()
    done = len(home.paths_done())
    assert 64 <= done < 400
    assert home.run("local")["encoded"] == 400 - done


def clear(home: BulkHome) -> None:
    for folder in (home.photos, home.out):
        shutil.rmtree(folder, ignore_errors=True)


def certificates(folder: Path) -> dict[str, str]:
    """Make an authority and a certificate for loopback; return what Ray is told of them."""
    (folder / "node.ext").write_text(f"subjectAltName=IP:127.0.0.1,IP:{own_address()}")
    for line in (
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.crt",
        "req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout node.key -out node.csr",
        "x509 -req -in node.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2"
        " -extfile node.ext -out node.crt",
    ):
        subprocess.run(["openssl", *line.split()], cwd=folder, check=True, capture_output=True)
    return {
        "RAY_USE_TLS": "1",
        "RAY_TLS_SERVER_CERT": str(folder / "node.crt"),
        "RAY_TLS_SERVER_KEY": str(folder / "node.key"),
        "RAY_TLS_CA_CERT": str(folder / "ca.crt"),
    }


def own_address() -> str:
    """Return the address that Ray gives a node, whatever it is told (it asks no one for it)."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(("8.8.8.8", 80))  # sends nothing
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


@contextmanager
def opened(file: Path) -> Iterator[Callable[[float], list[bytes]]]:
    """Watch for a file being opened; yield what waits so long and returns one item for each."""
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    assert libc.inotify_add_watch(watch, os.fsencode(file), _IN_OPEN) >= 0

    def wait(seconds: float) -> list[bytes]:
        ready, _, _ = select.select([watch], [], [], seconds)
        return [os.read(watch, 4096)] if ready else []

    try:
        yield wait
    finally:
        os.close(watch)
