# SPDX-License-Identifier: Apache-2.0
"""TCP connections that say something ten times a second, driven by one thread, and the judgement which of them live.

Each is seen from both of its ends. The client speaks and the server answers; or, with speaker="server", only the server speaks.
"""

import collections
import contextlib
import selectors
import socket
import struct
import threading
import time

import harness

PORT = 7000
PACE = 0.1  # seconds from one request to the next
MESSAGE = struct.Struct("!I")
LIVES, HANGS, RESET = "lives", "hangs", "reset"


def tcp_info(connection):
    """(bytes sent and not acknowledged: segments, retransmissions since the beginning), linux/tcp.h."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return struct.unpack_from("=I", info, 24)[0], struct.unpack_from("=I", info, 100)[0]


class Stream:
    def __init__(self, client, server, speaker):
        self.client, self.server = client, server
        self.speaker, self.hearer = (client, server) if speaker == "client" else (server, client)
        self.answers = speaker == "client"
        self.sent = self.heard = 0
        self.broken = None
        self.buffers = {client: b"", server: b""}
        self.last, self.gap = time.monotonic(), 0.0
        self.mark()

    def mark(self):
        """From here on it must prove that it lives."""
        self.heard_before = self.heard
        self.retransmitted = self._retransmissions()

    def _retransmissions(self):
        return tcp_info(self.speaker)[1]

    def speak(self):
        if not self.broken:
            self._send(self.speaker, MESSAGE.pack(self.sent))
            self.sent += 1

    def _send(self, connection, data):
        try:
            connection.send(data)
        except BlockingIOError:
            pass  # hangs for so long that the buffer is full
        except OSError as error:
            self.broken = error

    def read(self, connection):
        try:
            data = connection.recv(4096)
        except BlockingIOError:
            return
        except OSError as error:
            self.broken = error
            return
        if not data:
            self.broken = EOFError("closed")
            return
        if self.answers and connection is self.server:
            self._send(self.server, data)
            return
        data = self.buffers[connection] + data
        for (number,) in MESSAGE.iter_unpack(data[:len(data) - len(data) % 4]):
            assert number == self.heard, f"heard {number}, not {self.heard}"
            self.heard += 1
        self.buffers[connection] = data[len(data) - len(data) % 4:]
        self.retransmitted = self._retransmissions()
        now = time.monotonic()
        self.gap, self.last = max(self.gap, now - self.last), now

    def at_rest(self):
        return self.broken or (self.sent == self.heard and tcp_info(self.client)[0] == tcp_info(self.server)[0] == 0)

    def fate(self):
        """None as long as it is open. It lives when half a second's messages have come, and hangs when three retransmissions were
        lost, which is four seconds after a gap of 0.2 s at most."""
        if self.broken:
            return RESET
        if self.heard >= self.heard_before + 5:
            return LIVES
        return HANGS if self._retransmissions() >= self.retransmitted + 3 else None


class Streams:
    """`in_client` and `in_server` call a function in the netns of that end. The server listens on one address, and the client goes to
    another where it is translated on the way. After `patience` seconds each must be known to live or not. With `twins`, two
    addresses of the client, each is from the second, and the same port of the first has a silent twin that came before it."""

    def __init__(self, in_client, in_server, listens, goes_to, patience, count=10, speaker="client", twins=None):
        self.patience = patience
        self.list, self.held, self.ended, self.trouble = [], True, False, None
        self.selector = selectors.DefaultSelector()
        with contextlib.ExitStack() as made:
            listener = made.enter_context(in_server(lambda: socket.create_server((listens, PORT))))

            def connect(source):
                client = made.enter_context(in_client(socket.socket))
                client.settimeout(10)
                client.bind(source)
                client.connect((goes_to, PORT))
                return client, made.enter_context(listener.accept()[0])

            for _ in range(count):
                port = connect((twins[0], 0))[0].getsockname()[1] if twins else 0
                client, server = connect((twins[1] if twins else "", port))
                for end in (client, server):
                    end.setblocking(False)
                self.list.append(Stream(client, server, speaker))
                for end in (client, server):
                    self.selector.register(end, selectors.EVENT_READ, self.list[-1])
            self.sockets = made.pop_all()
        self.thread = threading.Thread(target=self._drive)
        self.thread.start()

    def _drive(self):
        due = time.monotonic()
        try:
            while not self.ended:
                for key, _ in self.selector.select(min(max(due - time.monotonic(), 0), 0.02)):
                    key.data.read(key.fileobj)
                    if key.data.broken:
                        self.selector.unregister(key.fileobj)
                if time.monotonic() >= due:
                    due = time.monotonic() + PACE
                    for stream in self.list if not self.held else ():
                        stream.speak()
        except BaseException as error:  # told by whoever asks next
            self.trouble = error

    def _ask(self, condition, what):
        def look():
            if self.trouble:
                raise self.trouble
            return condition()

        return harness.wait_until(look, what, self.patience)

    def go_on(self):
        self.held = False

    def hold(self, quiet):
        """With `quiet`, until nobody speaks and all has been heard and acknowledged: what the server has under way when a router loses
        its addresses may end the connection, whatever the settings, and that shall not be chance."""
        if quiet:
            self.held = True
            self._ask(lambda: all(stream.at_rest() for stream in self.list), "streams at rest")
        for stream in self.list:
            stream.gap = 0.0

    def wait_speaking(self):
        self._ask(lambda: all(stream.broken or stream.sent > stream.heard for stream in self.list), "streams speak")

    def mark(self):
        for stream in self.list:
            stream.mark()

    def fates(self):
        """How many live, hang and were reset: a Counter."""
        self._ask(lambda: all(stream.fate() for stream in self.list), "each stream lives or does not")
        return collections.Counter(stream.fate() for stream in self.list)

    def gap(self):
        """Seconds: the longest silence since hold(), of streams that live."""
        return max(stream.gap for stream in self.list)

    def close(self):
        self.ended = True
        self.thread.join()
        self.selector.close()
        self.sockets.close()
