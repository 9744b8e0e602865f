"""Two lanes over one stream of bytes, so that a query overtakes the pixels of a batch.

A batch of 32 pictures is 6 MB, which a radio link takes a second for. So the lanes' bytes travel
in frames of 64 KiB at most, those of queries first, and a lane has no more bytes under way than
its reader has granted: what lies in the buffers of ssh and of the kernel is in front of the query.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from clipd.encode.greeting import last_words
from clipd.process.channel import Channel

IMAGES, QUERIES = 0, 1
_LANES = (IMAGES, QUERIES)
_FRAME = struct.Struct("!BBI")  # kind, lane, bytes that follow
_DATA, _GRANT, _ALIVE, _WORDS = 1, 2, 3, 4
_NUMBER = struct.Struct("!I")
_CHUNK_BYTES = 64 << 10
_WINDOW_BYTES = 1 << 20  # of a lane, in one direction
_ALIVE_SECONDS = 1.0
_MOST_WORDS = 500  # characters of the other end that are worth repeating
_MOST_LINES = 200  # that may wait to be sent; a program that prints without end fills no memory


class Mux:
    """Carries two lanes over a stream, on a thread of its own. Both ends of the stream run one.

    The lanes are channels like those of a child: whoever closes one ends the whole, and both are
    closed when the stream ends. Each end tells the other once a second that it is there, and what
    it is at, where it sets `tells`.
    """

    def __init__(
        self,
        reading: int,
        writing: int,
        *,
        first: bytes = b"",
        most_silence: float | None = None,
        hear: Callable[[str], None] = lambda words: None,
    ) -> None:
        """Begin to carry.

        Args:
            reading: descriptor of the stream, closed at the end; may be the same as `writing`.
            writing: the same.
            first: what of the stream has been read already.
            most_silence: seconds after which an other end that says nothing is given up.
            hear: told the words of the other end that are for its log.
        """
        pairs = [socket.socketpair() for _ in _LANES]
        self.lanes = tuple(Channel(ours) for ours, _ in pairs)
        self.ending = ""  # why the stream ended, where there is something to say
        self.tells: Callable[[], str] = lambda: ""  # what we are at; asked by our thread
        self.told = ""  # what the other end was at when it last said so
        self._inner = [inner for _, inner in pairs]
        for inner in self._inner:
            inner.setblocking(False)
        self._reading, self._writing = reading, writing
        for fd in (reading, writing):
            os.set_blocking(fd, False)
        self._most_silence = most_silence
        self._hear = hear
        self._heard_at = time.monotonic()  # written by our thread, read by all
        self._said_at = 0.0
        self._is_over = False
        self._came = bytearray(first)
        self._out = bytearray()
        self._arrived = [bytearray() for _ in _LANES]  # to be handed to who reads the lane
        self._credit = [_WINDOW_BYTES for _ in _LANES]  # that may still be sent
        self._taken = [0 for _ in _LANES]  # bytes handed on that the sender was not granted yet
        self._words: list[bytes] = []  # appended to by any thread
        self._thread = threading.Thread(target=self._run, name="clipd-far-lanes", daemon=True)
        self._thread.start()

    def silent_seconds(self) -> float:
        """Return for how long nothing has come from the other end."""
        return time.monotonic() - self._heard_at

    def is_open(self) -> bool:
        """Whether the stream has not ended."""
        return not self._is_over

    def say(self, line: str) -> None:
        """Send a line for the log of the other end. Any thread."""
        if len(self._words) < _MOST_LINES:
            self._words.append(line.encode("utf-8", "replace")[:_MOST_WORDS])

    def close(self) -> None:
        """End the stream, and both lanes."""
        for lane in self.lanes:
            lane.shut()
        self._thread.join(_ALIVE_SECONDS)
        for lane in self.lanes:
            lane.close()

    def join(self) -> None:
        """Wait for the end of the stream."""
        self._thread.join()

    def _run(self) -> None:
        try:
            self._parse()
            while not self._is_over:
                self._turn()
        except OSError as error:
            self.ending = self.ending or str(error.strerror)
        except ValueError as error:
            self.ending = self.ending or str(error)
        finally:
            self._is_over = True
            for inner in self._inner:
                inner.close()
            for fd in {self._reading, self._writing}:
                with suppress(OSError):
                    os.close(fd)

    def _turn(self) -> None:
        self._fill()
        ready = self._poll()
        now = time.monotonic()
        if now - self._said_at >= _ALIVE_SECONDS and not self._out:
            self._put(_ALIVE, 0, self.tells().encode("utf-8", "replace")[:_MOST_WORDS])
        if self._most_silence is not None and now - self._heard_at > self._most_silence:
            raise ValueError(f"nothing was heard for {self._most_silence:.0f} s")
        for lane, inner in enumerate(self._inner):
            if ready.get(inner.fileno(), 0) & (select.POLLHUP | select.POLLERR):
                self._is_over = True  # whoever used the lanes has closed them
                return
            self._hand_on(lane)
        if self._reading in ready:
            self._read()
        if self._out:
            self._write()

    def _poll(self) -> dict[int, int]:
        """Wait until something can be read or written, or a sign of life is due."""
        poll = select.poll()  # not select(), which knows no descriptor above 1,023
        events = {self._reading: select.POLLIN}
        if self._out:
            events[self._writing] = events.get(self._writing, 0) | select.POLLOUT
        for lane, inner in enumerate(self._inner):
            asked = select.POLLOUT if self._arrived[lane] else 0
            if self._credit[lane] and not self._out:
                asked |= select.POLLIN
            events[inner.fileno()] = asked  # with 0, the end of the lane is told all the same
        for fd, asked in events.items():
            poll.register(fd, asked)
        # While something waits to be sent, nothing that is due makes this wait shorter.
        due = time.monotonic() if self._out else self._said_at
        left = max(0.0, due + _ALIVE_SECONDS - time.monotonic())
        return dict(poll.poll(left * 1000 + 1))

    def _fill(self) -> None:
        """Choose what is sent next, once all before it has been taken: queries go first."""
        if self._out:
            return
        if self._words:  # one line beside each piece of a lane, so that words never hold one up
            self._put(_WORDS, 0, self._words.pop(0))
        for lane in (QUERIES, IMAGES):
            if not self._credit[lane]:
                continue
            with suppress(BlockingIOError):
                data = self._inner[lane].recv(min(_CHUNK_BYTES, self._credit[lane]))
                self._is_over |= not data
                self._credit[lane] -= len(data)
                self._put(_DATA, lane, data)
                return

    def _put(self, kind: int, lane: int, body: bytes = b"") -> None:
        self._said_at = time.monotonic()
        self._out += _FRAME.pack(kind, lane, len(body)) + body

    def _write(self) -> None:
        try:
            del self._out[: os.write(self._writing, self._out)]
        except BlockingIOError:
            pass
        except ConnectionError:  # why that is, ssh may have said before it ended
            while self._read() and not self._is_over:
                pass
            self._is_over = True

    def _read(self) -> bool:
        """Take in what has come; return whether anything had."""
        try:
            data = os.read(self._reading, 4 * _CHUNK_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._is_over = True
            self.ending = _words_in(self._came)  # ssh says why it ends where we read
            return True
        self._heard_at = time.monotonic()
        self._came += data
        self._parse()
        return True

    def _parse(self) -> None:
        while len(self._came) >= _FRAME.size:
            kind, lane, length = _FRAME.unpack_from(self._came)
            if kind not in (_DATA, _GRANT, _ALIVE, _WORDS) or lane not in _LANES:
                raise ValueError(_words_in(self._came) or "it sent what no clipd sends")
            if length > _CHUNK_BYTES:
                raise ValueError(f"it sent a frame of {length} bytes, which no clipd does")
            end = _FRAME.size + length
            if len(self._came) < end:
                return
            body = bytes(self._came[_FRAME.size : end])
            del self._came[:end]
            self._obey(kind, lane, body)

    def _obey(self, kind: int, lane: int, body: bytes) -> None:
        if kind == _DATA:
            self._arrived[lane] += body
            if len(self._arrived[lane]) > _WINDOW_BYTES:
                raise ValueError("it sent more than it was granted")
            self._hand_on(lane)
        elif kind == _GRANT:
            (count,) = _NUMBER.unpack(body[: _NUMBER.size].ljust(_NUMBER.size, b"\0"))
            self._credit[lane] = min(self._credit[lane] + count, _WINDOW_BYTES)
        elif kind == _ALIVE:
            self.told = last_words(body)
        elif kind == _WORDS:
            self._hear(last_words(body))

    def _hand_on(self, lane: int) -> None:
        """Give what arrived to whoever reads the lane, and grant the sender as much again."""
        arrived = self._arrived[lane]
        while arrived:
            try:
                count = self._inner[lane].send(arrived[:_CHUNK_BYTES])
            except BlockingIOError:
                break
            del arrived[:count]
            self._taken[lane] += count
        if self._taken[lane] >= _WINDOW_BYTES // 4:
            self._put(_GRANT, lane, _NUMBER.pack(self._taken[lane]))
            self._taken[lane] = 0


def _words_in(data: bytearray) -> str:
    """Return the last line of what came in place of a frame; "" where it is no text."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return ""
    is_text = all(each.isprintable() or each.isspace() for each in text)
    return last_words(data) if is_text else ""
