# SPDX-License-Identifier: Apache-2.0
"""TCP connections that send ten messages a second, driven by one thread, and the verdict which of them live.

Each is observed at both ends: the client, which opened it, and the server. KINDS defines the sender.
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
PACE = 0.1  # seconds between messages
THINK = 0.05  # seconds
MESSAGE = struct.Struct("!I")
LIVES, HANGS, RESET = "lives", "hangs", "reset"
# The sender, and the seconds until the other end answers, if it does.
KINDS = {"requests": ("client", 0), "slow answers": ("client", THINK), "download": ("server", None), "upload": ("client", None)}
LOST = 3  # retransmissions of a hanging stream, and
OBSERVED = 4  # seconds of observation, and
SETTLED = 0.5  # seconds since the last retransmission


def tcp_info(connection):
    """(segments sent and not acknowledged, total retransmissions), linux/tcp.h."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return struct.unpack_from("=I", info, 24)[0], struct.unpack_from("=I", info, 100)[0]


class Stream:
    def __init__(self, client, server, kind):
        speaker, self.think = KINDS[kind]
        self.client, self.server = client, server
        self.speaker = client if speaker == "client" else server
        self.sent = self.received = self.rounds = 0
        self.broken = None
        self.rest = b""  # a partly received message
        self.thoughts = collections.deque()  # (when, bytes) of answers
        self.last, self.gap = time.monotonic(), 0.0
        self.mark()

    def mark(self):
        """From here on the stream must prove that it lives."""
        self.received_before = self.received
        self._reset_losses()

    def _reset_losses(self):
        """Resets the count of lost segments."""
        self.since, self.lost_before = time.monotonic(), tcp_info(self.speaker)[1]
        self.seen = self.since, self.lost_before, self.rounds

    def send_message(self):
        if not self.broken:
            self.sent += 1
            self._send(self.speaker, MESSAGE.pack(self.sent))

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
        elif connection is self.server and self.think is not None:
            self.thoughts.append((time.monotonic() + self.think, data))
        else:
            self._receive(data)

    def _receive(self, data):
        data = self.rest + data
        whole = len(data) - len(data) % MESSAGE.size
        for (number,) in MESSAGE.iter_unpack(data[:whole]):
            self.received += 1
            assert number == self.received, f"heard {number}, not {self.received}"
        self.rest = data[whole:]
        self._reset_losses()
        self.gap, self.last = max(self.gap, self.since - self.last), self.since

    def go_on(self):
        """Called once per round of the driving thread, after all data has been read."""
        self.rounds += 1
        while self.thoughts and self.thoughts[0][0] <= time.monotonic():
            self._send(self.server, self.thoughts.popleft()[1])

    def is_idle(self):
        return self.broken or (self.sent == self.received and tcp_info(self.client)[0] == tcp_info(self.server)[0] == 0)

    def outcome(self):
        """None while it is open. It lives once half a second's messages have arrived."""
        if self.broken:
            return RESET
        if self.received >= self.received_before + 5:
            return LIVES
        now, lost = time.monotonic(), tcp_info(self.speaker)[1]
        if lost != self.seen[1]:
            self.seen = now, lost, self.rounds
        # Also requires two rounds of the reading thread: on a starved machine, time passes without reading.
        settled = now >= self.seen[0] + SETTLED and self.rounds >= self.seen[2] + 2
        return HANGS if settled and lost >= self.lost_before + LOST and now >= self.since + OBSERVED else None


class Streams:
    """`in_client` and `in_server` call a function in the netns of that end. The server listens on one address; where the
    path is translated, the client connects to another. Each must have a verdict within `patience` seconds. With `twins`, the
    client has two addresses: each stream uses the second, and an older silent twin uses the same port of the first."""

    def __init__(self, in_client, in_server, listens, goes_to, patience, kind="requests", twins=None, count=10):
        self.patience = patience
        self.list, self.held, self.ended, self.error = [], False, False, None
        with contextlib.ExitStack() as made:
            self.selector = made.enter_context(selectors.DefaultSelector())
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
                self.list.append(Stream(client, server, kind))
                for end in (client, server):
                    end.setblocking(False)
                    self.selector.register(end, selectors.EVENT_READ, self.list[-1])
            self.made = made.pop_all()
        self.thread = threading.Thread(target=self._drive)
        self.thread.start()

    def _drive(self):
        due = time.monotonic()
        try:
            while not self.ended:
                for key, _ in self.selector.select(min(max(due - time.monotonic(), 0), 0.01)):
                    key.data.read(key.fileobj)
                    if key.data.broken:
                        self.selector.unregister(key.fileobj)
                for stream in self.list:
                    stream.go_on()
                if time.monotonic() >= due:
                    due = time.monotonic() + PACE
                    for stream in self.list if not self.held else ():
                        stream.send_message()
        except BaseException as error:  # raised by the next query
            self.error = error

    def _ask(self, condition, what):
        def check():
            if self.error:
                raise self.error
            return condition()

        return harness.wait_until(check, what, self.patience)

    def wait_flowing(self):
        self._ask(lambda: all(stream.received >= 3 for stream in self.list), "streams flow")

    def hold(self):
        """Waits until both ends are silent and everything is received and acknowledged: segments of the server in flight
        when a router loses its addresses may end the connection by chance, regardless of the settings."""
        self.held = True
        self._ask(lambda: all(stream.is_idle() for stream in self.list), "streams at rest")

    def go_on(self):
        """Resumes sending; gap() measures from here."""
        for stream in self.list:
            stream.gap = 0.0
        self.held = False

    def wait_sending(self):
        self._ask(lambda: all(stream.broken or stream.sent > stream.received for stream in self.list), "streams speak")

    def mark(self):
        for stream in self.list:
            stream.mark()

    def outcomes(self):
        """A Counter of live, hanging and reset streams."""
        self._ask(lambda: all(stream.outcome() for stream in self.list), "each stream lives or does not")
        return collections.Counter(stream.outcome() for stream in self.list)

    def gap(self):
        """The longest silence in seconds since go_on(), over live streams."""
        return max(stream.gap for stream in self.list)

    def close(self):
        self.ended = True
        self.thread.join()
        self.made.close()
