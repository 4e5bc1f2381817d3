# SPDX-License-Identifier: Apache-2.0
"""TLS, client certificates, passwords and headers by --web.config.file, as seen by clients, and while the files change."""

import base64
import http.client
import os
import shutil
import socket
import ssl
import threading
import unittest.mock

import harness
from certificates import RSA, Authority
from harness import add_netns, config, policy, run_binary, wait_until

KEY = "net.ipv4.tcp_keepalive_time"
# Bcrypt at cost 4.
HASHES = {"secret": "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", "new": "$2b$04$abcdefghijklmnopqrstuusf96eeUQLgQWR72RBesvIE8CjOJNM9O"}


class WebAccess(harness.Case):
    def setUp(self):
        super().setUp()
        self.ca = Authority(self.directory)
        self.server = self.ca.sign("server", "DNS:localhost,IP:127.0.0.1,IP:::1")
        self.web_file = os.path.join(self.directory, "web.yaml")
        self.configure(config(policy("routers", "^router-", {KEY: 1234})))
        add_netns("router-1")

    def web(self, tls=True, more="", tls_more=""):
        text = "# written by a test\n"
        if tls:
            text += "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n" + tls_more
        self.configure(text + more, self.web_file)

    def start(self, *arguments, client=None, user=None, trust=None, **options):
        """A daemon whose own requests use TLS if it serves TLS."""
        return super().start(f"--web.config.file={self.web_file}", *arguments, connect=self.connect_with(client, trust), **options)

    def start_plain(self, wait_ready=harness.Daemon.wait_ready):
        """A daemon that is queried without TLS; wait_ready(daemon) waits for it."""
        with unittest.mock.patch.object(harness.Daemon, "wait_ready", wait_ready):
            return super().start(f"--web.config.file={self.web_file}")

    def connect_with(self, client=None, trust=None, version=None, patience=harness.DEADLINE):
        def connect(address):
            context = ssl.create_default_context(cafile=trust or self.ca.pem)
            context.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
            if client:
                context.load_cert_chain(*client)
            if version:
                context.minimum_version = context.maximum_version = version
            return context.wrap_socket(socket.create_connection(address, timeout=patience), server_hostname=address[0])

        return connect

    def ask(self, daemon, path="/metrics", headers=None, **how):
        """Status, headers and certificate of the server; status 0 if it rejects this client."""
        host, port = daemon.address.rsplit(":", 1)
        sock = None
        try:
            sock = self.connect_with(**how)((host.strip("[]"), int(port)))
            connection = http.client.HTTPConnection(host, timeout=harness.DEADLINE)
            connection.sock = sock
            certificate = sock.getpeercert(binary_form=True)
            connection.request("GET", path, headers=headers or {})
            response = connection.getresponse()
            response.read()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, certificate
        except (OSError, http.client.HTTPException) as error:
            return 0, {}, str(error)
        finally:
            if sock:
                sock.close()

    def raw(self, daemon, words):
        """The data received until the other end closes."""
        host, port = daemon.address.rsplit(":", 1)
        with socket.create_connection((host.strip("[]"), int(port)), timeout=harness.DEADLINE) as sock:
            heard = b""
            try:
                sock.sendall(words)
                while part := sock.recv(65536):
                    heard += part
            except ConnectionError:
                pass
            return heard

    def test_metrics_come_by_tls_1_2_and_1_3_and_by_nothing_older(self):
        self.web()
        daemon = self.start()
        self.assertIn("https://", next(line for line in daemon.lines if "metrics" in line)["metrics"])
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            self.assertEqual(self.ask(daemon, version=version)[0], 200, version)
        self.assertEqual(self.ask(daemon, version=ssl.TLSVersion.TLSv1_1)[0], 0)
        self.web(tls_more="  min_version: TLS13\n")
        wait_until(lambda: self.ask(daemon, version=ssl.TLSVersion.TLSv1_2)[0] == 0, "TLS 1.2 to be refused")
        self.assertEqual(self.ask(daemon, version=ssl.TLSVersion.TLSv1_3)[0], 200)

    def test_it_serves_ipv6(self):
        self.web()
        daemon = self.start("--web.listen-address=[::1]:0")
        daemon.wait_log(lambda line: line.get("address", "").startswith("[::1]"), "the address in IPv6")
        daemon.address = next(line["address"] for line in daemon.lines if line.get("address", "").startswith("[::1]"))
        self.assertEqual(self.ask(daemon)[0], 200)

    def test_a_new_certificate_is_used_without_a_restart(self):
        self.web()
        daemon = self.start()
        before = self.ask(daemon)[2]
        self.ca.sign("server", "IP:127.0.0.1")
        status, _, after = wait_until(lambda: (answer := self.ask(daemon))[0] == 200 and answer[2] != before and answer, "the new certificate")
        self.assertEqual(status, 200)
        self.assertNotEqual(before, after)

    def test_a_bad_version_changes_nothing_and_is_told_and_counted(self):
        self.web(more="http_server_config:\n  headers:\n    X-Frame-Options: deny\n")
        daemon = self.start()
        before = self.ask(daemon)
        self.assertEqual(before[1]["x-frame-options"], "deny")
        self.web(tls_more="  nonsense: 1\n")
        daemon.wait_metrics(lambda metrics: metrics.sum("web_config_last_reload_successful") == 0, "the refusal")
        problem = daemon.wait_log(lambda line: "web configuration rejected" in line.get("msg", ""), "the refusal")["problem"]
        self.assertTrue(problem.startswith(f"{self.web_file}:5:3: "), problem)
        self.assertEqual(self.ask(daemon)[0::2], before[0::2])
        with open(self.server[1], "w", encoding="ascii") as file:
            file.write("no key\n")
        self.web()
        wait_until(lambda: self.ask(daemon)[0] == 200 and any("the key" in line.get("problem", "") for line in daemon.lines),
                   "what is wrong with the key")
        self.assertEqual(self.ask(daemon)[0::2], before[0::2])
        self.assertEqual(self.ask(daemon)[1]["x-frame-options"], "deny")
        self.ca.sign("server", "IP:127.0.0.1")
        metrics = daemon.wait_metrics(lambda metrics: metrics.sum("web_config_last_reload_successful") == 1, "the mended version")
        self.assertGreaterEqual(metrics.sum("web_config_reloads_total", result="failure"), 2)
        self.assertNotIn("x-frame-options", self.ask(daemon)[1])

    def test_a_pair_of_which_one_half_is_new_does_not_replace_the_old_one(self):
        self.web()
        daemon = self.start()
        before = self.ask(daemon)
        new = self.ca.sign("new", "IP:127.0.0.1", RSA)
        for old_half, new_half in zip(self.server, new):
            os.rename(old_half, old_half + ".old")
            shutil.copy(new_half, old_half)
            wait_until(lambda: self.ask(daemon)[2] == before[2] and daemon.scrape().sum("web_config_last_reload_successful") == 0, "the refusal")
            os.rename(old_half + ".old", old_half)
            wait_until(lambda: daemon.scrape().sum("web_config_last_reload_successful") == 1, "the old pair")
        for old_half, new_half in zip(self.server, new):
            shutil.copy(new_half, old_half)
        wait_until(lambda: self.ask(daemon)[2] not in (before[2], None), "the new pair")
        self.assertEqual(self.ask(daemon)[0], 200)

    def test_certificates_that_are_cut_short_are_refused(self):
        with open(self.server[0], encoding="ascii") as file, open(self.ca.pem, encoding="ascii") as ca:
            whole, chain = file.read(), ca.read()
        self.web()
        with open(self.server[0], "w", encoding="ascii") as file:
            file.write(whole + chain)
        daemon = self.start()
        with open(self.server[0], "w", encoding="ascii") as file:
            file.write(whole + chain[:len(chain) // 2])
        daemon.wait_metrics(lambda metrics: metrics.sum("web_config_last_reload_successful") == 0, "the refusal")

    def test_an_intermediate_ca_lets_in_whom_it_signed(self):
        between = Authority(self.directory, "between", parent=self.ca)
        self.web(tls_more="  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: between.pem\n")
        client, other = between.sign("client", "DNS:client"), self.ca.sign("other", "DNS:other")
        daemon = self.start(client=client)
        self.assertEqual([self.ask(daemon, client=one)[0] for one in (client, other, None)], [200, 0, 0])
        # A truncated file with weaker requirements is ignored.
        self.web()
        wait_until(lambda: self.ask(daemon, client=client)[0] == 200 and any("restart the daemon" in line.get("problem", "") for line in daemon.lines),
                   "the word about the restart")
        self.assertEqual(self.ask(daemon)[0], 0)

    def test_who_checks_passwords_ends_in_time(self):
        cost = "13"  # half a second each
        self.web(tls=False, more=f"basic_auth_users:\n  prometheus: $2b${cost}$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n")
        daemon = self.start_plain(lambda daemon: None)
        wrong = [threading.Thread(target=lambda i=i: self.raw(daemon, b"GET / HTTP/1.0\r\nAuthorization: Basic " +
                                                              base64.b64encode(b"prometheus:%d" % i) + b"\r\n\r\n")) for i in range(8)]
        for thread in wrong:
            thread.start()
        self.assertEqual(daemon.stop(), 0)
        for thread in wrong:
            thread.join()

    def test_tls_comes_and_goes_with_a_restart_only(self):
        self.web(tls=False)
        daemon = self.start_plain()
        self.web()
        wait_until(lambda: daemon.http("GET", "/metrics")[0] == 200 and any("restart the daemon" in line.get("problem", "") for line in daemon.lines),
                   "the word about the restart")
        self.assertEqual(daemon.http("GET", "/metrics")[0], 200)

    def test_clients_need_a_certificate_of_the_ca_and_one_of_the_names(self):
        others = Authority(self.directory, "others")
        right = self.ca.sign("right", "DNS:prometheus.example,IP:192.0.2.7")
        wrong_name = self.ca.sign("wrong", "DNS:somebody.example")
        wrong_ca = others.sign("stranger", "DNS:prometheus.example")
        rule = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"
        self.web(tls_more=rule)
        daemon = self.start(client=right)
        statuses = [self.ask(daemon, client=client)[0] for client in (right, wrong_name, wrong_ca, None)]
        self.assertEqual(statuses, [200, 200, 0, 0])
        for name in ("prometheus.example", "192.0.2.7"):
            self.web(tls_more=rule + f"  client_allowed_sans: [{name}]\n")
            statuses = [self.ask(daemon, client=client)[0] for client in (right, wrong_name, wrong_ca, None)]
            self.assertEqual(statuses, [200, 0, 0, 0], name)
        daemon.stop()
        self.web(tls_more="  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.pem\n")
        daemon = self.start(client=right)
        self.assertEqual([self.ask(daemon, client=client)[0] for client in (right, wrong_ca, None)], [200, 0, 200])
        self.web(tls_more="  client_auth_type: RequireAnyClientCert\n")
        self.assertEqual([self.ask(daemon, client=client)[0] for client in (right, wrong_ca, None)], [200, 200, 0])

    def test_users_need_their_passwords_on_every_path_and_changes_count_at_once(self):
        self.web(tls=False, more=f"basic_auth_users:\n  prometheus: {HASHES['secret']}\n")

        def say(user):
            return {"Authorization": "Basic " + base64.b64encode(user.encode()).decode()} if user else {}

        daemon = None

        def http_of(user, path="/metrics"):
            return daemon.http("GET", path, say(user))

        right = "prometheus:secret"
        daemon = self.start_plain(lambda new: wait_until(lambda: new.http("GET", "/-/ready", say(right))[0] == 200, "ready"))
        for path in ("/metrics", "/", "/api/v1/status", "/-/healthy", "/nothing"):
            for user in (None, "prometheus:", "prometheus:other", "nobody:secret", ":secret"):
                status, headers, body = http_of(user, path)
                self.assertEqual((status, body), (401, b"Unauthorized.\n"), (user, path))
                self.assertTrue(headers["www-authenticate"].startswith("Basic "))
            self.assertEqual(http_of(right, path)[0], 404 if path == "/nothing" else 200)
        self.web(tls=False, more=f"basic_auth_users:\n  prometheus: {HASHES['new']}\n")
        self.assertEqual(http_of(right)[0], 401)
        self.assertEqual(http_of("prometheus:new")[0], 200)
        # An empty file admits no client.
        self.configure("", self.web_file)
        self.assertEqual([http_of(user)[0] for user in (None, "prometheus:new")], [401, 200])
        daemon.wait_log(lambda line: "basic_auth_users was removed" in line.get("problem", ""), "the word about the restart")

    def test_strange_words_do_no_harm(self):
        self.web()
        daemon = self.start()
        hello = ssl_hello()
        for words in (b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", os.urandom(9000), b"\x16\x03\x01\xff\xff" + os.urandom(9000), hello[:40] + b"\xff" * (len(hello) - 40)):
            self.assertNotIn(b"nswarden_", self.raw(daemon, words))
        plain = harness.Daemon(f"--config.file={self.config_file}", f"--lock.file={self.directory}/lock")
        self.addCleanup(self._end, plain)
        self.assertNotIn(b"nswarden_", self.raw(plain, hello))
        self.assertEqual(plain.http("GET", "/metrics")[0], 200)
        self.assertEqual(self.ask(daemon)[0], 200)

    def test_a_scrape_is_answered_beside_many_handshakes_that_are_never_ended(self):
        self.web()
        daemon = self.start()
        host, port = daemon.address.rsplit(":", 1)
        for words in (ssl_hello(), ssl_hello()[:-1], b"\x16\x03\x01\x00\x00", b"G\n\r\n"):
            clients = [socket.create_connection((host, int(port))) for _ in range(200)]
            try:
                for client in clients:
                    client.sendall(words)
                answers = []
                threads = [threading.Thread(target=lambda: answers.append(self.ask(daemon, patience=10)[0])) for _ in range(8)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                self.assertEqual(answers, [200] * 8, words[:10])  # within Prometheus' usual timeout
            finally:
                for client in clients:
                    client.close()

    def test_a_start_with_a_mistake_says_what_and_where(self):
        for text, wanted in (("tls_server_config:\n  cert_file: server.pem\n  key_file: nowhere.key\n", ":3:13: cannot read"),
                             ("tls_server_config:\n  cert_file: server.pem\n  key_file: ca.key\n", "the key"),
                             ("basic_auth_user:\n  a: b\n", "did you mean"), ("basic_auth_users: [\n", ":")):
            self.configure(text, self.web_file)
            ended = run_binary("run", f"--config.file={self.config_file}", f"--web.config.file={self.web_file}", "--web.listen-address=127.0.0.1:0")
            self.assertEqual(ended.returncode, 2, ended.stderr)
            self.assertIn(f"nswarden: {self.web_file}", ended.stderr)
            self.assertIn(wanted, ended.stderr)
        ended = run_binary("run", f"--config.file={self.config_file}", "--web.config.file=/nowhere.yaml", "--web.listen-address=127.0.0.1:0")
        self.assertEqual((ended.returncode, ended.stderr), (2, "nswarden: cannot read /nowhere.yaml: No such file or directory\n"))


def ssl_hello():
    """The first record of a TLS client."""
    out = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


if __name__ == "__main__":
    harness.main()
