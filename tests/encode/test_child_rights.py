"""The encoder is sealed: it reads its model, computes, answers, and can do nothing else."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from clipd.config.options import EncoderConfig
from clipd.encode.handle import Encoder
from clipd.photo import ModelSpec, Pixels
from tests import processes


@pytest.fixture
def reachable(tmp_path: Path) -> Iterator[None]:
    """Sockets of this process that nobody may reach: one by a path, one by an abstract name."""
    (tmp_path / "photos").mkdir()
    with ExitStack() as opened:
        for address in (str(tmp_path / "photos" / "socket"), f"\0clipd-tests-{os.getpid()}"):
            listening = opened.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            listening.bind(address)
            listening.listen()
        yield


@pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of system calls")
@pytest.mark.usefixtures("reachable")
@pytest.mark.parametrize("use", [(), ("with-cuda",)], ids=["on a CPU", "with CUDA"])
def test_a_sealed_process_can_do_what_an_encoder_does_and_nothing_else(
    use: tuple[str, ...], tmp_path: Path
) -> None:
    for file in ("model/weights.safetensors", "photos/a.jpg"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(b"content")

    done = subprocess.run(
        [sys.executable, "-P", "-m", "tests.encode.attack", str(tmp_path), str(os.getpid()), *use],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )

    *breaches, seals = done.stdout.splitlines()
    assert breaches == []
    assert seals.startswith("11"), seals
    assert (tmp_path / "photos" / "a.jpg").read_bytes() == b"content"


def test_the_seals_are_there_before_any_library_that_starts_threads() -> None:
    code = (
        "import sys, clipd.encode.encode_worker, clipd.encode.inspect_worker;"
        "assert not {'numpy', 'torch', 'open_clip'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=True)


def test_a_child_that_starts_leaves_the_others_their_temporary_files(tmp_path: Path) -> None:
    code = (
        "import sys, tempfile; from pathlib import Path;"
        "from clipd.encode.child_rights import seal_model_reader;"
        "seal_model_reader('', Path(sys.argv[1]));"
        "print('sealed', flush=True); sys.stdin.readline();"
        "print(tempfile.NamedTemporaryFile(delete=False).name, flush=True)"
    )
    written = []
    with ExitStack() as running:
        children = []
        for _ in range(3):
            child = running.enter_context(
                subprocess.Popen(
                    [sys.executable, "-P", "-c", code, str(tmp_path)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            assert child.stdout is not None
            assert child.stdout.readline() == "sealed\n"
            children.append(child)
            if len(children) == 1:
                continue
            before = children.pop(0)  # writes after the next one has started
            written.append(before.communicate("\n")[0].strip())
            assert before.returncode == 0
        children[0].communicate("\n")
    assert [Path(each).parent.parent for each in written] == [tmp_path / "scratch"] * 2
    assert not Path(written[0]).exists()  # the third child has removed what the first had left


@pytest.mark.slow
def test_every_thread_of_a_working_encoder_is_sealed(
    spec: ModelSpec, cache: Path, pictures: Pixels
) -> None:
    config = EncoderConfig(device="cpu", precision="auto", threads=2)
    with Encoder(spec, config, cache) as encoder:
        encoder.encode_images(pictures)
        seals = encoder.status().seals
        assert seals is not None
        assert (seals.landlock, seals.seccomp) == (True, True)
        threads = list(Path("/proc").glob(f"{_child()}/task/*/status"))
        states = [file.read_text() for file in threads]

    assert states
    for state in states:
        assert "\nSeccomp:\t2\n" in state
        assert "\nNoNewPrivs:\t1\n" in state


def _child() -> int:
    (pid,) = (
        child.pid for child in processes.children(os.getpid()) if "encode_worker" in child.command
    )
    return pid
