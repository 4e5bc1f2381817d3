# SPDX-License-Identifier: Apache-2.0
"""Attacks by strangers: pages in browsers, odd requests, planted files where the daemon keeps its own. SECURITY.md defines
the strangers."""

import os
import socket
import subprocess
import threading

import harness
from harness import NETNS_DIR, add_netns, config, get, policy, put, wait_until

KEY = "net.ipv4.tcp_keepalive_time"
WANT = 1234
FORGED = 31337
STRANGER = 1234  # an unprivileged user
RELOAD = b"POST /-/reload HTTP/1.1\r\nHost: node1\r\n"


class Requests(harness.Case):
    def setUp(self):
        super().setUp()
        self.configure(config(policy("routers", "^router-", {KEY: WANT})))
        self.daemon = self.start("--web.enable-lifecycle", interval="1h")

    def reloads(self):
        return self.daemon.scrape().sum("config_reloads_total")

    def ask(self, request):
        """The complete response on a separate connection, until it is closed."""
        host, port = self.daemon.address.rsplit(":", 1)
        answer = b""
        with socket.create_connection((host, int(port)), timeout=harness.DEADLINE) as client:
            client.sendall(request)
            try:
                while part := client.recv(65536):
                    answer += part
            except ConnectionResetError:
                pass  # sent and not read
        return answer

    def test_a_page_in_a_browser_cannot_make_it_reload_from_wherever_it_comes(self):
        before = self.reloads()
        host = self.daemon.address
        for origin in ("http://evil.example", "null", f"http://{host}"):
            status, _, _ = self.daemon.http("POST", "/-/reload", {"Origin": origin, "Content-Type": "text/plain"}, b"x")
            self.assertEqual(status, 403, origin)
        self.assertEqual(self.reloads(), before)
        self.assertEqual(self.daemon.http("POST", "/-/reload")[0], 200)
        self.assertEqual(self.reloads(), before + 1)

    def test_no_page_of_another_site_may_read_an_answer_or_keep_it_in_a_frame(self):
        for path in ("/", "/metrics", "/api/v1/status", "/api/v1/events", "/-/ready", "/-/healthy"):
            _, headers, _ = self.daemon.http("GET", path, {"Origin": "http://evil.example"})
            self.assertFalse([name for name in headers if name.startswith("access-control-") or name == "set-cookie"], path)
        self.assertIn("frame-ancestors 'none'", self.daemon.http("GET", "/")[1]["content-security-policy"])

    def test_whatever_a_body_or_what_follows_it_looks_like_one_connection_is_one_request(self):
        for request, most in ((RELOAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 1),
                              (RELOAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhello", 1),
                              (RELOAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + RELOAD + b"\r\n", 1),
                              (RELOAD + b"Content-Length: 99999999999999999999\r\n\r\n" + RELOAD + b"\r\n", 1),
                              (RELOAD + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n", 1),
                              (b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n" + RELOAD + b"\r\n", 0)):
            with self.subTest(request):
                before = self.reloads()
                self.assertLessEqual(self.ask(request).count(b"HTTP/1.1 "), 1)
                self.assertLessEqual(self.reloads(), before + most)

    def test_no_other_spelling_of_method_or_target_does_what_post_to_the_path_does(self):
        before = self.reloads()
        for line in (b"GET /-/reload", b"post /-/reload", b"POST http://evil.example/-/reload", b"POST //x/-/reload", b"POST /-//reload",
                     b"POST /x/../-/reload", b"POST /-/reload/", b"POST /-/reload;x", b"CONNECT node1:80", b"TRACE /-/reload", b"OPTIONS *"):
            with self.subTest(line):
                answer = self.ask(line + b" HTTP/1.1\r\nHost: x\r\nX-HTTP-Method-Override: POST\r\n\r\n")
                self.assertNotIn(b" 200 ", answer.split(b"\r\n")[0])
        self.assertEqual(self.reloads(), before)

    def test_a_query_gets_into_no_header(self):
        answer = self.ask(b"GET /?netns=%0d%0aSet-Cookie:%20x&policy=%0aX:y HTTP/1.1\r\nHost: x\r\n\r\n")
        head = answer.split(b"\r\n\r\n")[0]
        self.assertIn(b" 200 ", head)
        self.assertNotIn(b"Set-Cookie", head)
        self.assertNotIn(b"\nX", head.replace(b"\nX-Content-Type-Options", b""))

    def test_it_listens_where_it_was_told_to_and_nowhere_else(self):
        listening = set()
        for table, kinds in (("tcp", ("0A",)), ("tcp6", ("0A",)), ("udp", None), ("udp6", None)):
            with open(f"/proc/net/{table}", encoding="ascii") as file:
                for fields in map(str.split, file.readlines()[1:]):
                    if kinds is None or fields[3] in kinds:
                        listening.add((table, fields[1]))
        port = int(self.daemon.address.rsplit(":", 1)[1])
        self.assertEqual(listening, {("tcp", f"0100007F:{port:04X}")})
        with open("/proc/net/unix", encoding="ascii") as file:
            self.assertFalse([line for line in file if "nswarden" in line])


class Places(harness.Case):
    """The daemon's files in directories that other users may write."""

    def setUp(self):
        super().setUp()
        self.place = os.path.join(self.directory, "runtime")
        os.mkdir(self.place)
        os.chmod(self.place, 0o755)
        self.environment = {"RUNTIME_DIRECTORY": self.place}
        self.book = os.path.join(self.place, "restore")
        add_netns("router-1")

    def test_what_lies_at_the_place_of_its_lock_is_neither_followed_nor_written_nor_waited_for(self):
        os.chmod(self.place, 0o777)
        self.configure(config(policy("routers", "^router-", {KEY: WANT})))
        directory = os.stat(NETNS_DIR)
        lock = os.path.join(self.place, f"dir-{os.major(directory.st_dev)}-{os.minor(directory.st_dev)}-{directory.st_ino}.lock")
        victim, made = os.path.join(self.directory, "victim"), os.path.join(self.directory, "made")
        with open(victim, "w", encoding="ascii") as file:
            file.write("precious")
        for put_there in (lambda: os.symlink(victim, lock), lambda: os.symlink(made, lock), lambda: os.mkfifo(lock),
                          lambda: os.link(victim, lock), lambda: os.mkdir(lock)):
            put_there()
            put("router-1", KEY, 5)
            daemon = self.start(environment=self.environment)
            self.wait_value("router-1", KEY, WANT)
            self.assertEqual(daemon.stop(), 0)
            with open(victim, encoding="ascii") as file:
                self.assertEqual(file.read(), "precious")
            self.assertFalse(os.path.exists(made))
            (os.rmdir if os.path.isdir(lock) and not os.path.islink(lock) else os.unlink)(lock)

    def test_a_book_that_others_could_have_written_puts_nothing_back(self):
        line = self.kept_line()
        forged = self.book_of(line.replace(line.split("\t")[3], str(FORGED)))
        self.configure(config(policy("nobody", "^nobody", {KEY: 1})))
        elsewhere = os.path.join(self.directory, "elsewhere")

        def replaced(mode, owner):
            self.put_file(self.book, forged, mode, owner)

        def linked():
            self.put_file(elsewhere, forged, 0o600, STRANGER)
            os.symlink(elsewhere, self.book)

        def folder_of_all():
            replaced(0o600, 0)
            os.chmod(self.place, 0o777)

        for forge in (lambda: replaced(0o666, 0), lambda: replaced(0o600, STRANGER), linked, folder_of_all):
            forge()
            daemon = self.start(environment=self.environment)
            daemon.wait_sweeps(3)
            self.assertEqual(get("router-1", KEY), str(WANT))
            self.assertTrue([line for line in daemon.lines if "cannot trust" in line.get("reason", "")], daemon.log())
            self.assertEqual(daemon.stop(), 0)
            os.unlink(self.book)
        # The same text is accepted in a trusted place.
        os.chmod(self.place, 0o755)
        replaced(0o600, 0)
        self.start(environment=self.environment)
        self.wait_value("router-1", KEY, FORGED)

    def test_no_book_leads_out_of_the_sysctls_of_a_netns(self):
        cookie = self.kept_line().split("\t")[0]
        self.configure(config(policy("nobody", "^nobody", {KEY: 1})))
        target = os.path.join(self.directory, "target")
        up = "net/ipv4/" + "../" * 20 + target[1:]
        for key in (up, target, "net/../kernel/core_pattern", "net/ipv4/./ip_forward"):
            self.put_file(target, "core\n", 0o600, 0)
            self.put_file(self.book, self.book_of(f"{cookie}\t{key}\ttrial\tevil\tcore\n"), 0o600, 0)
            daemon = self.start(environment=self.environment)
            daemon.wait_sweeps(3)
            self.assertTrue([line for line in daemon.lines if "a key is invalid" in line.get("reason", "")], daemon.log())
            with open(target, encoding="ascii") as file:
                self.assertEqual(file.read(), "core\n")
            self.assertEqual(daemon.stop(), 0)

    def kept_line(self):
        """The entry of a real restore book, of a daemon that has ended."""
        self.configure(config(policy("trial", "^router-", {KEY: WANT}, restore=True)))
        daemon = self.start(environment=self.environment)
        self.wait_value("router-1", KEY, WANT)
        wait_until(lambda: os.path.exists(self.book), "a book")
        self.assertEqual(daemon.stop(), 0)
        with open(self.book, encoding="ascii") as file:
            text = file.read()
        self.first, line, _ = text.splitlines(keepends=True)
        self.assertEqual(self.book_of(line), text)
        return line

    def book_of(self, line):
        total = 0xcbf29ce484222325
        for byte in (self.first + line).encode("ascii"):
            total = ((total ^ byte) * 0x100000001b3) % 2**64
        return f"{self.first}{line}end 1 {total:016x}\n"

    def put_file(self, path, text, mode, owner):
        if os.path.lexists(path):
            os.unlink(path)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(path, mode)
        os.chown(path, owner, 0)


class Configuration(harness.Case):
    def test_a_link_that_leads_elsewhere_at_every_moment_never_brings_in_a_file_of_a_stranger(self):
        # The included link is root's, in a directory of root's; its target is not.
        os.chmod(self.directory, 0o755)
        theirs = os.path.join(self.directory, "theirs")
        for folder in ("conf", "good", "theirs"):
            os.mkdir(os.path.join(self.directory, folder))
        good, evil = os.path.join(self.directory, "good/routers.yaml"), os.path.join(theirs, "routers.yaml")
        self.configure(config(policy("routers", "^router-", {KEY: WANT})), good)
        self.configure(config(policy("evil", "^router-", {KEY: FORGED})), evil)
        self.configure("version: 1\ninclude: conf/routers.yaml\npolicies: []\n")
        os.symlink(f"{theirs}/link", f"{self.directory}/conf/routers.yaml")
        os.symlink(good, f"{theirs}/link")
        for path in (theirs, evil):
            os.chown(path, STRANGER, STRANGER)
        add_netns("router-1")
        daemon = self.start("--web.enable-lifecycle")
        self.wait_value("router-1", KEY, WANT)
        stop = threading.Event()

        def flip():
            # A separate process, like that of a real stranger.
            script = 'cd "$0"; while :; do ln -s routers.yaml l; mv -T l link; ln -s "$1" l; mv -T l link; done'
            with subprocess.Popen(["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups", "sh", "-c", script, theirs,
                                   good]) as process:
                stop.wait()
                process.kill()

        flipper = threading.Thread(target=flip)
        flipper.start()
        try:
            daemon.wait_metrics(lambda m: all(m.sum("config_reloads_total", result=result) >= 10 for result in ("success", "failure"))
                                or not daemon.http("POST", "/-/reload"), "both are met often")
        finally:
            stop.set()
            flipper.join()
        self.assertEqual(get("router-1", KEY), str(WANT))
        self.assertEqual(daemon.scrape().labels("netns", "policy"), ["routers"])
        self.assertFalse([line for line in daemon.lines if line.get("want") == str(FORGED)])


if __name__ == "__main__":
    harness.main()
