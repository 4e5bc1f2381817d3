# SPDX-License-Identifier: Apache-2.0
"""A real Alertmanager for one test, and its webhook receiver. Standard library only."""

import http.server
import json
import os
import threading

from harness import wait_until
from monitoring import Server


class Webhook:
    """The webhook receiver: keeps all notifications."""

    def __init__(self):
        self.alerts = []  # in order of arrival; status is firing or resolved
        webhook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                webhook.alerts += message["alerts"]
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def names(self, status):
        return sorted({alert["labels"]["alertname"] for alert in list(self.alerts) if alert["status"] == status})

    def wait(self, status, **labels):
        """The first alert of that status with at least these labels."""
        def check():
            return next((alert for alert in list(self.alerts)
                         if alert["status"] == status and labels.items() <= alert["labels"].items()), None)

        return wait_until(check, lambda: f"{status} {labels} at the webhook; it has\n{json.dumps(self.alerts, indent=1)}")


class Alertmanager(Server):
    """Notifies of each new alert immediately, and of updates after a second."""

    def __init__(self, directory, webhook, port=9093):
        directory = os.path.join(directory, "alertmanager")
        os.mkdir(directory)
        config = {"route": {"receiver": "test", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"},
                  "receivers": [{"name": "test", "webhook_configs": [{"url": webhook.url, "send_resolved": True}]}]}
        config_file = os.path.join(directory, "alertmanager.yml")
        with open(config_file, "w", encoding="utf-8") as file:
            json.dump(config, file)  # which is YAML
        self.address = f"127.0.0.1:{port}"
        super().__init__("alertmanager", directory, port, [
            "prometheus-alertmanager", f"--config.file={config_file}", f"--storage.path={directory}/data", f"--web.listen-address={self.address}",
            "--cluster.listen-address=", "--log.level=warn"], "/-/ready")
