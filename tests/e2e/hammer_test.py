# SPDX-License-Identifier: Apache-2.0
"""Many scrapes under constant change: the state that HTTP threads and the loop share must stay consistent. Intended for a
binary with the thread sanitizer, which exits with a nonzero status after a race."""

import http.client
import os
import signal
import threading
import time

import harness
from harness import NETNS_DIR, add_netns, config, delete_netns, policy, put

KEY = "net.ipv4.tcp_keepalive_time"
SLOW = "net.ipv4.ip_forward"  # written by a separate thread (kernel fact 23)
WANT = 1234
SECONDS = 6


class Hammer(harness.Case):
    def test_scrapes_reloads_and_churn_at_once(self):
        os.mkdir(NETNS_DIR)
        first, second = (config(policy("routers", "^router-", {KEY: value, SLOW: 1}) + "    commands: {events: {IN_CREATE: ['true']}}\n")
                         for value in (WANT, WANT + 1))
        self.configure(first)
        add_netns("router-stays")
        daemon = self.start("--web.enable-lifecycle", "--repair.budget=1000", interval="100ms")
        host, port = daemon.address.rsplit(":", 1)
        end = time.monotonic() + SECONDS
        troubles, counts = [], {}

        def worker(name, step):
            connection = http.client.HTTPConnection(host, int(port), timeout=harness.DEADLINE)
            count = 0
            try:
                while time.monotonic() < end:
                    step(connection, count)
                    count += 1
            except Exception as error:  # reraised in the test
                troubles.append(f"{name}: {error!r}")
            finally:
                connection.close()
                counts[name] = count

        def request(connection, method, path, headers=None):
            connection.request(method, path, headers=headers or {})
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                raise AssertionError(f"{method} {path}: {response.status} {body!r}")
            if response.getheader("Connection") == "close":
                connection.close()
            return body

        def scrape(connection, _):
            harness.parse_metrics(request(connection, "GET", "/metrics").decode())

        def request_pages(connection, count):
            path = ("/", "/-/healthy", "/-/ready", "/metrics", "/api/v1/status", "/api/v1/events")[count % 6]
            request(connection, "HEAD" if count % 3 == 0 else "GET", path, {"Accept-Encoding": "gzip"})

        def reload(connection, count):
            self.configure(second if count % 2 == 0 else first)
            if count % 3 == 0:
                daemon.signal(signal.SIGHUP)
            else:
                request(connection, "POST", "/-/reload")
            time.sleep(0.05)

        def churn(_, count):
            name = f"router-{count % 7}"
            add_netns(name)
            put(name, KEY, 5)
            delete_netns(name)
            put("router-stays", KEY, 6)
            put("router-stays", SLOW, 0)

        steps = {"scrape 1": scrape, "scrape 2": scrape, "look around": request_pages, "reload": reload, "churn": churn}
        threads = [threading.Thread(target=worker, args=item) for item in steps.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(troubles, [], daemon.log())
        self.assertTrue(all(count > 10 for count in counts.values()), counts)
        self.configure(first)
        self.wait_value("router-stays", KEY, WANT)
        self.wait_value("router-stays", SLOW, 1)
        daemon.wait_metrics(lambda m: m.sum("netns") == 1, "only the netns that stays")
        self.assertEqual(daemon.stop(), 0, daemon.log())


if __name__ == "__main__":
    harness.main()
