# SPDX-License-Identifier: Apache-2.0
"""Servers that `nswarden status` may meet instead of a daemon."""

import json
import socket
import ssl
import threading

import harness


class Stranger:
    """Passes each connection to answer(connection), one after the other, until stop()."""

    def __init__(self, answer, tls=None, host="127.0.0.1"):
        self.answer = answer
        self.tls = tls
        self.stopped = threading.Event()
        self.listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            connection, _ = self.listener.accept()
            if self.stopped.is_set():
                connection.close()
                return
            connection.settimeout(harness.DEADLINE)
            try:
                with connection if self.tls is None else self.tls.wrap_socket(connection, server_side=True) as served:
                    self.answer(served)
                    if self.tls:
                        served.unwrap()
            except (OSError, ssl.SSLError):
                connection.close()  # the client disconnected, or refused the server, as some tests intend

    def stop(self):
        self.stopped.set()
        socket.create_connection(self.listener.getsockname()[:2]).close()
        self.thread.join(harness.DEADLINE)
        self.listener.close()


def request_of(connection):
    """The head of a request: its path, and its headers with names in lower case."""
    head = b""
    while b"\r\n\r\n" not in head:
        part = connection.recv(65536)
        if not part:
            raise OSError("no request")
        head += part
    lines = head.decode("latin1").split("\r\n")
    return lines[0].split(" ")[1], {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:] if line)}


def response(body, status=200, headers=""):
    return f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def sends(data):
    """A handler for Stranger: these bytes for any request."""

    def answer(connection):
        request_of(connection)
        connection.sendall(data)

    return answer


def sends_documents(status, events=None):
    """A handler for Stranger: the response of a daemon."""
    documents = {"/api/v1/status": status, "/api/v1/events": events or {"schema": 1, "events": []}}

    def answer(connection):
        path, _ = request_of(connection)
        connection.sendall(response(json.dumps(documents[path]).encode()))

    return answer
