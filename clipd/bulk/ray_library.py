"""Ray, named here alone: reaching a cluster, and what its failures mean."""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clipd.bulk.encoding_actor import EncodingActor
from clipd.bulk.ray_folder import ray_folder
from clipd.errors import BulkError

LOCAL: Final = "local"
_SCHEME: Final = "ray://"
_PORT: Final = 10001  # of Ray's client server
_ADDRESS: Final = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
_TRUE: Final = ("1", "true")
_STORE_BYTES: Final = 128 << 20  # of shared memory: results are small
_LISTENER_SECONDS: Final = 5.0
_CONNECT_TRIES: Final = 3
_CLUSTER_IS_POSSIBLE: Final = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
_LONGEST_TEMPORARY: Final = 20  # bytes: of 107 a socket's path has, Ray and we take 87
_DOCS: Final = "docs/bulk.md tells how"


@dataclass(frozen=True, slots=True)
class Node:
    """What one machine of a cluster has."""

    host: str
    cpus: int
    gpus: int


def insist_on_ray(address: str) -> None:
    """Insist that Ray can be used here, for a cluster as `head_address` returned it.

    Raises:
        BulkError: it is not installed.
    """
    _prepare_environment(is_local=not address)
    try:
        import ray  # noqa: F401
    except ImportError as error:
        raise BulkError(
            f"this takes Ray ({error}); install it beside clipd: pip install 'clipd[ray]'"
        ) from error


def head_address(where: str) -> str:
    """Return the address of a head with its port; "" for ``local``.

    Raises:
        BulkError: it is neither ``local`` nor ``ray://HEAD``.
    """
    if where == LOCAL:
        return ""
    host, colon, port = where.removeprefix(_SCHEME).rpartition(":")
    if not colon or (host.startswith("[") and not host.endswith("]")):
        host, port = where.removeprefix(_SCHEME), str(_PORT)
    is_address = where.startswith(_SCHEME) and _ADDRESS.fullmatch(host) and port.isdigit()
    if not is_address or not 0 < int(port) < 1 << 16:
        raise BulkError(
            f"{where} is no cluster; write it as ray://HEAD or ray://HEAD:PORT, or local"
        )
    return f"{_SCHEME}{host}:{port}"


def insist_on_trust(address: str, environment: Mapping[str, str] = os.environ) -> None:
    """Insist that a cluster is asked for with a token and over TLS.

    Whoever can speak to a cluster runs code on it, and on whoever asks it.

    Raises:
        BulkError: it is not.
    """
    lacks = []
    if environment.get("RAY_AUTH_MODE", "").lower() != "token":
        lacks.append("without a token (RAY_AUTH_MODE=token)")
    if environment.get("RAY_USE_TLS", "").lower() not in _TRUE:
        lacks.append("unencrypted (RAY_USE_TLS=1)")
    if lacks:
        raise BulkError(
            f"{address} would be spoken to {' and '.join(lacks)}, and whoever can reach it there "
            f"runs code on every node; {_DOCS}, or say that you trust everybody on that network: "
            "--trust-network"
        )


def insist_on_listener(address: str) -> None:
    """Insist that somebody listens at an address: known in seconds, which takes Ray half a minute.

    Raises:
        BulkError: nobody does.
    """
    host, _, port = address.removeprefix(_SCHEME).rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _LISTENER_SECONDS):
            return
    except OSError as error:
        raise BulkError(
            f"nothing answers at {address} ({error.strerror or error}); see whether the head runs "
            "there, with a client server: ray start --head --ray-client-server-port=10001"
        ) from error


@contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """Be connected to a cluster for the length of the block, or have one of this machine alone.

    For a thread beside the main one, on which Ray takes SIGTERM to itself, and to which a
    KeyboardInterrupt comes in the midst of what must not be left in the midst.

    Args:
        address: as `head_address` returned it; "": this machine.

    Raises:
        BulkError: it cannot be reached, does not let us in, or has another version.
    """
    import ray

    with ExitStack() as running:
        folder = "" if address else running.enter_context(ray_folder(_temporary()))
        try:
            if address:
                _connect(address)
            else:
                _start_local(folder)
            yield Cluster(address or "this machine")
        finally:
            with suppress(Exception):  # the connection may be what failed; that error is under way
                ray.shutdown()


class Cluster:
    """A cluster that this process is connected to. For one thread."""

    def __init__(self, name: str) -> None:
        self.name = name

    def nodes(self) -> list[Node]:
        """Return the machines that are there now."""
        import ray

        with translating(self.name):
            found = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
        return [_node(one["NodeManagerHostname"], one["Resources"]) for one in found]

    def start_actor(self, cpus: int, gpus: int) -> Any:
        """Have an actor started wherever there is room, if not now then later."""
        import ray

        options = {
            "num_cpus": cpus,
            "num_gpus": gpus,
            "max_concurrency": 2,  # one call decodes, the other encodes
            # A batch is never repeated behind our back: see Workload.
            "max_restarts": 0,
            "max_task_retries": 0,
            "scheduling_strategy": "SPREAD",
        }
        with translating(self.name):
            return ray.remote(_Actor).options(**options).remote()

    def call(self, actor: Any, method: str, *arguments: object) -> Any:
        """Ask an actor for something; return what stands for the answer."""
        with translating(self.name):
            return getattr(actor, method).remote(*arguments)

    def answered(self, waiting: Sequence[Any], seconds: float) -> list[Any]:
        """Wait until something is answered, or so long; return what is."""
        import ray

        with translating(self.name):
            ready, _ = ray.wait(list(waiting), num_returns=1, timeout=seconds)
            more, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=0)
        return [one for one in waiting if one in ready or one in more]

    def answer(self, one: Any) -> Any:
        """Return an answer.

        Raises:
            ActorLostError: whoever was to give it is gone.
            BulkError: the cluster is gone.
        """
        import ray

        with translating(self.name):
            try:
                return ray.get(one)
            except ray.exceptions.RayTaskError:
                raise  # a bug of ours, which must be seen
            except (ray.exceptions.RayError, ray.exceptions.RaySystemError) as error:
                if isinstance(error, ray.exceptions.AuthenticationError):
                    raise
                raise ActorLostError(str(error).splitlines()[0]) from error

    def end_actor(self, actor: Any) -> None:
        """End an actor, which may be gone already."""
        import ray

        with suppress(Exception):
            ray.kill(actor, no_restart=True)


class ActorLostError(Exception):
    """Whoever had a piece of work is gone, or cannot be reached."""


class _Actor(EncodingActor):
    """The actor as Ray starts it, which finds out how its cluster lets people in."""

    def __init__(self) -> None:
        from ray._private.authentication.authentication_utils import is_token_auth_enabled

        super().__init__(bool(is_token_auth_enabled()))


@contextmanager
def translating(name: str) -> Iterator[None]:
    """Turn what Ray complains of into ours."""
    from ray.exceptions import AuthenticationError, RayTaskError

    try:
        yield
    except AuthenticationError as error:
        raise BulkError(
            f"{name} wants another token ({_first(error)}); copy the head's to this machine: "
            "RAY_AUTH_TOKEN_PATH, or ~/.ray/auth_token"
        ) from error
    except RayTaskError:
        raise
    except (ConnectionError, TimeoutError) as error:
        raise BulkError(
            f"{name} does not answer ({_first(error)}); see whether it runs, and run the same "
            "command again: it goes on behind the last part"
        ) from error


def _connect(address: str) -> None:
    import ray

    with translating(address), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it says less than what is raised
        for tries_left in reversed(range(_CONNECT_TRIES)):
            try:
                ray.init(address, logging_level=logging.ERROR, log_to_driver=False)
            except ConnectionAbortedError:
                # The head forks a server for each client, and gRPC does not always survive that:
                # "ev_epoll1_linux.cc: Check failed" there, once in a dozen (grpcio 1.85, Ray 2.60).
                if not tries_left:
                    raise
            except ConnectionError as error:
                raise BulkError(
                    f"{address} takes no connection ({_first(error)}); see whether the token is "
                    "the head's (RAY_AUTH_TOKEN_PATH, ~/.ray/auth_token), TLS is on at both ends "
                    "or at none, and the port is that of Ray's client server"
                ) from error
            except RuntimeError as error:
                raise BulkError(
                    f"{address} does not let this clipd in: {' '.join(str(error).split())[:400]}"
                ) from error
            else:
                return


def _temporary() -> Path:
    """Return where temporary files are; Ray's sockets in it have room for a short path."""
    place = Path(tempfile.gettempdir())
    return place if len(os.fsencode(place)) <= _LONGEST_TEMPORARY else Path("/tmp")


def _start_local(folder: str) -> None:
    import ray

    try:
        ray.init(
            LOCAL,
            num_cpus=len(os.sched_getaffinity(0)),
            include_dashboard=False,
            logging_level=logging.ERROR,
            log_to_driver=False,
            object_store_memory=_STORE_BYTES,
            _node_ip_address="127.0.0.1",
            _temp_dir=folder,
        )
    except (RuntimeError, OSError, ValueError) as error:
        raise BulkError(f"Ray does not start on this machine: {_first(error)}") from error


def _prepare_environment(*, is_local: bool) -> None:
    """Set what Ray reads when it is loaded, and never again."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # it would tell its makers
    if is_local:
        # Whoever speaks to Ray runs code in it. What it is told of an address it replaces by one
        # that others reach, and then listens on all interfaces; unless it is told that it stands
        # where no cluster is possible: then all of it is on loopback. There it lets in who knows
        # a token of this run.
        os.environ[_CLUSTER_IS_POSSIBLE] = "0"
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
        for variable in ("RAY_ADDRESS", "RAY_USE_TLS"):
            os.environ.pop(variable, None)


def _node(host: str, resources: Mapping[str, float]) -> Node:
    return Node(host, int(resources.get("CPU", 0)), int(resources.get("GPU", 0)))


def _first(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:300] if lines else type(error).__name__
