# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium, driven through two pipes by its DevTools protocol: renders a page at a width and in a colour scheme,
reports requests and errors, and takes a screenshot. Standard library only."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

NAMES = ("chromium-headless-shell", "chromium", "google-chrome")
DEADLINE = 20  # seconds to wait for one reply


def find():
    """The path of an installed browser, or None."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Browser:
    """One process with one page. Records requests, dialogs, console messages and security policy violations."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="nswarden-browser-")
        commands, self.commands = os.pipe()
        self.answers, answers = os.pipe()
        # Chromium reads from fd 3 and writes to fd 4.
        shell = f'exec 3<&{commands} 4>&{answers}; exec "$@"'
        self.process = subprocess.Popen(
            ["bash", "-c", shell, "bash", find(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--hide-scrollbars", f"--user-data-dir={self.directory}", "--remote-debugging-pipe", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=(commands, answers))
        os.close(commands)
        os.close(answers)
        self.buffer = b""
        self.number = 0
        self.width = None
        self.session = None
        self.loaded = False
        self.forget()
        try:
            page = next(target for target in self.ask("Target.getTargets")["targetInfos"] if target["type"] == "page")
            self.session = self.ask("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
            for domain in ("Page", "Network", "Log", "Runtime"):
                self.ask(f"{domain}.enable")
        except BaseException:
            self.close()
            raise

    def forget(self):
        """The events recorded so far."""
        self.requests, self.dialogs, self.complaints = [], [], []

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.commands)
        os.close(self.answers)
        shutil.rmtree(self.directory, ignore_errors=True)

    def ask(self, method, **parameters):
        self.number += 1
        number = self.number
        command = {"id": number, "method": method, "params": parameters}
        if self.session:
            command["sessionId"] = self.session
        os.write(self.commands, json.dumps(command).encode() + b"\0")
        end = time.monotonic() + DEADLINE
        while True:
            message = self._next(end, method)
            if message.get("id") != number:
                continue
            if "error" in message:
                raise AssertionError(f"{method}: {message['error']}")
            return message["result"]

    def _next(self, end, what):
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.answers], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise AssertionError(f"the browser gives no answer to {what}")
            data = os.read(self.answers, 1 << 20)
            if not data:
                raise AssertionError(f"the browser has ended, asked for {what}")
            self.buffer += data
        message, self.buffer = self.buffer.split(b"\0", 1)
        message = json.loads(message)
        self._notice(message.get("method"), message.get("params"))
        return message

    def _notice(self, method, parameters):
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Page.javascriptDialogOpening":
            self.dialogs.append(parameters["message"])
        elif method == "Log.entryAdded":
            self.complaints.append(parameters["entry"]["text"])
        elif method in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
            self.complaints.append(json.dumps(parameters))
        elif method == "Page.loadEventFired":
            self.loaded = True

    def set_viewport(self, width=1280, height=900, mode="light"):
        """Emulates a device of that width in that colour scheme from now on."""
        self.width = width
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": mode}])

    def open(self, url):
        self._go(lambda: self.ask("Page.navigate", url=url))

    def follow(self, expression):
        """Performs an action that loads another page, such as a click."""
        self._go(lambda: self.evaluate(expression))

    def _go(self, act):
        self.loaded = False
        act()
        end = time.monotonic() + DEADLINE
        while not self.loaded:
            self._next(end, "a page")

    def evaluate(self, expression):
        """The value of a JavaScript expression, evaluated without the restrictions of the page's own policy."""
        result = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise AssertionError(json.dumps(result["exceptionDetails"]))
        return result["result"].get("value")

    def picture(self, path, whole=False):
        data = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole,
                        **({"clip": self._whole()} if whole else {}))["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def _whole(self):
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        return {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 4000), "scale": 1}
