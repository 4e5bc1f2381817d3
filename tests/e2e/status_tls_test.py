# SPDX-License-Identifier: Apache-2.0
"""`nswarden status` over TLS: the servers that it trusts, and those that receive a password or a certificate."""

import base64
import os
import ssl

import harness
import stranger
from certificates import Authority, openssl
from status_case import StatusCase

PASSWORD = "s3cret:w@rd/"
CREDENTIALS = "watcher:s3cret%3Aw%40rd%2F@"


class WithTls(StatusCase):
    def setUp(self):
        super().setUp()
        self.ca = Authority(self.directory)
        self.daemon = self.governed()
        self.seen = []

    def front(self, subject_names="DNS:localhost,IP:127.0.0.1", user=None, **options):
        """A TLS server in front of the daemon, like a reverse proxy."""

        def answer(connection):
            path, headers = stranger.request_of(connection)
            self.seen.append(headers)
            if user and headers.get("authorization") != "Basic " + base64.b64encode(user.encode()).decode():
                connection.sendall(stranger.response(b"", 401, 'WWW-Authenticate: Basic realm="x"\r\n'))
            else:
                connection.sendall(stranger.response(self.daemon.http("GET", path)[2]))

        return self.stranger(answer, tls=self.ca.server(subject_names, **options)).port

    def ask(self, port, *arguments, host="127.0.0.1", credentials="", trusted=True):
        ca = [f"--tls.ca-file={self.ca.pem}"] if trusted else []
        return self.status(f"https://{credentials}{host}:{port}", *ca, *arguments)

    def test_a_certificate_of_a_ca_that_is_named_is_trusted_for_its_names_and_addresses(self):
        port = self.front()
        for host in ("127.0.0.1", "localhost"):
            result = self.ask(port, host=host)
            self.assertEqual((result.returncode, result.stderr), (0, ""), host)
            self.assertTrue(result.stdout.startswith("compliant: "))
        self.assertEqual({headers["host"] for headers in self.seen}, {f"127.0.0.1:{port}", f"localhost:{port}"})
        self.assertNotIn("authorization", self.seen[0])

    def test_a_certificate_of_an_unknown_ca_is_refused(self):
        line = self.refused(self.ask(self.front(), trusted=False, credentials=CREDENTIALS), "cannot verify the certificate of", "--tls.ca-file")
        self.assertNotIn("s3cret", line)
        self.assertEqual(self.seen, [], "nothing is asked, and no password told")

    def test_a_certificate_of_another_ca_than_the_one_that_is_named_is_refused(self):
        other = Authority(self.directory, "other")
        self.refused(self.status(f"https://127.0.0.1:{self.front()}", f"--tls.ca-file={other.pem}"), "cannot verify the certificate of")
        self.assertEqual(self.seen, [])

    def test_a_certificate_for_another_host_is_refused(self):
        port = self.front("DNS:node-7.example,IP:192.0.2.7")
        for host in ("127.0.0.1", "localhost"):
            self.refused(self.ask(port, host=host), "is for another host", "use the host name of the certificate in --url")
        self.assertEqual(self.seen, [])

    def test_a_user_and_password_are_sent_and_never_shown(self):
        port = self.front(user=f"watcher:{PASSWORD}")
        self.assertEqual(self.ask(port, credentials=CREDENTIALS).returncode, 0)
        self.refused(self.ask(port), f"https://127.0.0.1:{port} requires authentication; write user:password@ before the host in --url")
        line = self.refused(self.ask(port, credentials="watcher:wr0ng@"), "rejects the user:password@ of --url")
        self.assertNotIn("wr0ng", line)

    def test_a_server_may_want_a_certificate(self):
        port = self.front(clients=True)
        certificate, key = self.ca.sign("client", "DNS:operator")
        self.assertEqual(self.ask(port, f"--tls.cert-file={certificate}", f"--tls.key-file={key}").returncode, 0)
        self.refused(self.ask(port), "--tls.cert-file")
        self.assertEqual(len(self.seen), 2, "status and events, of the first call")

    def test_files_that_cannot_be_used_are_usage_errors(self):
        certificate, key = self.ca.sign("client", "DNS:operator")
        port = self.front()
        missing = os.path.join(self.directory, "missing")
        self.refused(self.status(f"https://127.0.0.1:{port}", f"--tls.ca-file={missing}"), f"--tls.ca-file {missing}: No such file",
                     code=2)
        self.refused(self.ask(port, f"--tls.cert-file={key}", f"--tls.key-file={key}"), f"--tls.cert-file {key}: ", code=2)
        self.refused(self.ask(port, f"--tls.cert-file={certificate}", f"--tls.key-file={self.ca.key}"),
                     f"--tls.key-file {self.ca.key}: ", code=2)
        locked = os.path.join(self.directory, "locked.key")
        openssl("pkey", "-in", key, "-aes256", "-passout", "pass:x", "-out", locked)
        self.refused(self.ask(port, f"--tls.cert-file={certificate}", f"--tls.key-file={locked}"), f"--tls.key-file {locked}: ", code=2)

    def test_a_server_without_tls_and_one_with_it_are_told_apart(self):
        address = self.daemon.address
        self.refused(self.status(f"https://{address}", f"--tls.ca-file={self.ca.pem}"), f"https://{address}")
        port = self.front()
        self.refused(self.status(f"http://127.0.0.1:{port}"), f"http://127.0.0.1:{port}")
        server = self.stranger(stranger.sends(b"HTTP/1.1 400 no\r\n\r\n"))
        server.answer = lambda connection: connection.sendall(b"HTTP/1.1 400 no\r\n\r\n")
        self.refused(self.status(f"https://127.0.0.1:{server.port}"), "does not use TLS")

    def test_a_tls_answer_that_somebody_cut_is_no_answer(self):
        def cut(connection):
            stranger.request_of(connection)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n{}")  # without a length, only the TLS closure proves it complete
            raise OSError("cut")

        port = self.stranger(cut, tls=self.ca.server("IP:127.0.0.1")).port
        self.refused(self.ask(port), f"TLS with https://127.0.0.1:{port} failed: ")

    def test_a_server_that_goes_in_the_middle_of_a_handshake_kills_nobody(self):
        context = self.ca.server("IP:127.0.0.1")

        def half(connection):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            server = context.wrap_bio(incoming, outgoing, server_side=True)
            while not outgoing.pending:
                incoming.write(connection.recv(65536))
                try:
                    server.do_handshake()
                except ssl.SSLWantReadError:
                    pass
            connection.sendall(outgoing.read())

        # The client's next data is answered by a reset, so that the following write raises SIGPIPE.
        self.refused(self.ask(self.stranger(half).port), "https://127.0.0.1:")


if __name__ == "__main__":
    harness.main()
