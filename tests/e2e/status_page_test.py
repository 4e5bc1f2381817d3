# SPDX-License-Identifier: Apache-2.0
"""The status page of the running daemon in a real browser: light, dark and narrow, with an empty, a long, and a hostile list
of names (markup). $NSWARDEN_PICTURES, if set, is the directory for screenshots."""

import os
import sys
import urllib.parse

import browser
import harness
from harness import add_netns, config, delete_netns, policy, put

KEY = "net.ipv4.tcp_keepalive_time"
AUDITED = "net.ipv4.conf.all.rp_filter"
LOOKS = [(1280, 900, "light"), (1280, 900, "dark"), (390, 844, "light"), (390, 844, "dark")]
SHOWN = {
    b"<script>alert(1)": "<script>alert(1)",
    b"<img src=x onerror=alert(1)>": "<img src=x onerror=alert(1)>",
    b"\"><svg onload=alert(1)>": "\"><svg onload=alert(1)>",
    b"' autofocus onfocus='alert(1)": "' autofocus onfocus='alert(1)",
    b"javascript:alert(1)": "javascript:alert(1)",
    b"new\nline": r"new\x0aline",
    b"\xff\xfe invalid": r"\xff\xfe invalid",
    b"&lt;b&gt; %41+%": "&lt;b&gt; %41+%",
    b"two  blanks": "two  blanks",
    b"\xc3\xa9 valid": "\u00e9 valid",
    b"n" * 255: "n" * 255,
}
ROUTERS = [f"qrouter-{i:08x}-5c2e-4a3f-9d1b-8f2c1f0c6a{i % 256:02x}" for i in range(0x3fa9c1e0, 0x3fa9c1e0 + 6 * 77777, 77777)]
MANY = int(os.environ.get("NSWARDEN_NETNS", "300"))  # tests/long/status_page has more
LISTED = 1000  # maximum of findings in the JSON

# The least contrast of any text to its background, by WCAG 2. All colours of the page are opaque.
LEAST_CONTRAST = """(() => {
  const channels = colour => colour.match(/[\\d.]+/g).map(Number);
  const luminance = colour => channels(colour).slice(0, 3).map(value => value / 255)
    .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const ground = element => {
    for (; element; element = element.parentElement) {
      const colour = getComputedStyle(element).backgroundColor;
      if ((channels(colour)[3] ?? 1) > 0) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  let least = [21, ''];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    if (!texts.currentNode.data.trim()) continue;
    const element = texts.currentNode.parentElement;
    const pair = [luminance(getComputedStyle(element).color), luminance(ground(element))].sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < least[0]) least = [ratio, element.outerHTML.slice(0, 80)];
  }
  return least;
})()"""


class StatusPage(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.browser = browser.Browser()
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        super().setUp()
        self.browser.forget()
        self.browser.set_viewport()
        self.configure(config(policy("neutron-routers", "^qrouter-", {KEY: 1234, "net.ipv4.ip_forward": 1}),
                              policy("keep-alive", "^(?:n|.*(?:alert|valid|blanks|%))", {KEY: 4321, AUDITED: 1}, "audit")))
        self.pictures = os.environ.get("NSWARDEN_PICTURES") or self.directory

    def open(self, daemon, query=""):
        self.browser.open(f"http://{daemon.address}/{query}")

    def picture(self, name):
        self.browser.picture(os.path.join(self.pictures, f"status-{name}.png"))

    def text(self, selector):
        return self.browser.evaluate(f"document.querySelector({selector!r})?.innerText ?? ''")

    def count(self, selector):
        return self.browser.evaluate(f"document.querySelectorAll({selector!r}).length")

    def assert_good_page(self, what):
        """The page loads only itself, executes and violates nothing, fits the window, and is readable."""
        shown = self.browser
        self.assertEqual({urllib.parse.urlsplit(url).path for url in shown.requests}, {"/"}, what)
        self.assertEqual((shown.dialogs, shown.complaints), ([], []), what)
        # Not innerWidth: a phone zooms out until a page that is too wide fits.
        self.assertLessEqual(shown.evaluate("document.documentElement.scrollWidth"), shown.width, f"{what}: it is too wide")
        ratio, where = shown.evaluate(LEAST_CONTRAST)
        self.assertGreaterEqual(ratio, 4.5, f"{what}: {where}")
        self.assertEqual(self.count("script, img, svg, iframe, object, link, base, [onerror], [onload], [onfocus], [autofocus]"), 0)

    def assert_good_everywhere(self, daemon, name, looks=LOOKS):
        for width, height, mode in looks:
            self.browser.set_viewport(width, height, mode)
            self.open(daemon)
            self.assert_good_page(f"{name}, {width}, {mode}")
            self.picture(f"{name}-{width}-{mode}")

    def drift_of(self, name):
        return f"section[aria-labelledby=drift] tbody tr:has(a[href='/?netns={urllib.parse.quote(name, safe='')}'])"

    def test_with_no_netns_it_says_so(self):
        daemon = self.start()
        self.assert_good_everywhere(daemon, "nothing")
        self.assertIn("No netns matches a policy", self.text("h2"))
        self.assertIn("None.", self.text("section[aria-labelledby=drift]"))
        self.assertEqual(self.count("section[aria-labelledby=drift] table"), 0)

    def test_dark_mode_is_dark_and_light_mode_light(self):
        daemon = self.start()
        grounds = {}
        for mode in ("light", "dark"):
            self.browser.set_viewport(mode=mode)
            self.open(daemon)
            ground = self.browser.evaluate("getComputedStyle(document.body).backgroundColor")
            grounds[mode] = sum(int(part) for part in ground.strip("rgb()").split(","))
        self.assertGreater(grounds["light"], 3 * 200)
        self.assertLess(grounds["dark"], 3 * 50)

    def test_it_tells_of_a_repair_its_writer_a_refused_configuration_and_a_fight(self):
        for name in ROUTERS:
            add_netns(name)
        daemon = self.start()
        # Until enforcement is suspended.
        while not daemon.scrape().sum("suspended_sysctls"):
            put(ROUTERS[0], KEY, 7200)
        with open(self.config_file, "a", encoding="utf-8") as file:
            file.write("nonsense: [\n")
        daemon.wait_metrics(lambda metrics: metrics.sum("config_last_reload_successful") == 0, "the refused configuration")
        # The metric is counted immediately; the snapshot follows.
        harness.wait_until(lambda: b"was rejected" in daemon.http("GET", "/")[2], "the page of that")
        self.assert_good_everywhere(daemon, "events")
        self.assertIn("was rejected", self.text(".notices"))
        self.assertIn(self.config_file, self.text("section[aria-labelledby=configuration]"))
        events = self.text("section[aria-labelledby=events]")
        for word in ("suspend", "repair", "reload failure", "netns governed", "python3", ROUTERS[0], "want 1234, had 7200"):
            self.assertIn(word, events)
        self.assertEqual(self.browser.evaluate("document.querySelector('.figures tbody tr').innerText.split(/\\s+/)[0]"),
                         "neutron-routers")

    def test_hostile_names_are_text_and_their_links_find_them(self):
        for name in SHOWN:
            add_netns(name)
        daemon = self.start()
        self.assert_good_everywhere(daemon, "hostile")
        self.assertIn(f"Not compliant: {2 * len(SHOWN)} of {2 * len(SHOWN)} settings", self.text("h2"))
        for number, shown in enumerate(SHOWN.values()):
            with self.subTest(shown):
                self.open(daemon)
                selector = self.drift_of(shown)
                self.assertEqual(self.count(selector), 2)
                self.browser.follow(f"document.querySelector({selector + ' a'!r}).click()")
                self.check_filtered(shown)
                # The form has the same values, and submitting it unchanged gives the same result.
                if number % 3 != 0:
                    continue
                self.browser.follow("document.querySelector('form button').click()")
                self.check_filtered(shown)

    def check_filtered(self, shown):
        self.assert_good_page(shown)
        names = self.browser.evaluate(
            "[...document.querySelectorAll('section[aria-labelledby=drift] th[scope=row] > a')].map(a => a.textContent)")
        self.assertEqual(names, [shown, shown])
        self.assertEqual(self.browser.evaluate("document.querySelector('input[name=netns]').value"), shown)
        self.assertIn(f"Hidden: {2 * len(SHOWN) - 2} of {2 * len(SHOWN)} rows of drift", self.text(".filtered"))

    def test_the_form_filters_by_policy_and_netns_and_shows_all_again(self):
        add_netns(ROUTERS[0])
        add_netns("nnn")
        daemon = self.start()
        daemon.wait_sweeps()
        self.open(daemon)
        everything = self.text("main")
        self.browser.evaluate("document.querySelector('select').value = 'neutron-routers'")
        self.browser.follow("document.querySelector('form button').click()")
        self.assertEqual(self.browser.evaluate("location.search"), "?netns=&policy=neutron-routers")
        self.assertIn("No settings match the filter.", self.text("section[aria-labelledby=drift]"))
        self.assertEqual(self.browser.evaluate("document.querySelector('select').value"), "neutron-routers")
        self.assertEqual(self.text("tr[aria-current] a"), "neutron-routers")
        self.browser.evaluate("document.querySelector('input').value = 'nnn'; document.querySelector('select').value = ''")
        self.browser.follow("document.querySelector('form button').click()")
        self.assertEqual(self.count("section[aria-labelledby=drift] tbody tr"), 2)
        self.browser.follow("document.querySelector('.filtered a').click()")
        self.assertEqual(self.browser.evaluate("location.search"), "")
        policies = everything[everything.index("Policies"):everything.index("Events")].strip()
        self.assertEqual(self.text("section[aria-labelledby=policies]"), policies)

    def test_with_many_netns_it_shows_the_first_rows_and_says_how_many_more(self):
        for number in range(MANY):
            add_netns(f"n{number:04}")
        daemon = self.start()
        daemon.wait_metrics(lambda metrics: metrics.sum("managed_sysctls") == 2 * MANY, "all of them")
        harness.wait_until(lambda: f"of {2 * MANY} settings".encode() in daemon.http("GET", "/")[2], "the page of that")
        self.assert_good_everywhere(daemon, "many", LOOKS[1:3])
        self.assertEqual(self.count("section[aria-labelledby=drift] tbody tr"), 200)
        self.assertIn(f"{min(2 * MANY, LISTED) - 200} more are in the JSON", self.text("section[aria-labelledby=drift]"))
        self.assertEqual(self.count("section[aria-labelledby=events] tbody tr"), 200)
        # A table that is too wide scrolls in its own box, also by keyboard.
        self.assertTrue(self.browser.evaluate("(box => box.scrollWidth > box.clientWidth && box.tabIndex === 0)"
                                              "(document.querySelector('.scroll'))"))
        self.open(daemon, "?netns=n0250")
        self.assertEqual(self.count("section[aria-labelledby=drift] tbody tr"), 2)
        delete_netns("n0250")
        harness.wait_until(lambda: f"of {2 * MANY - 2} settings".encode() in daemon.http("GET", "/")[2], "that one is gone")


if __name__ == "__main__":
    if browser.find() is None:
        print("SKIP: needs a browser: apt-get install chromium-headless-shell")
        sys.exit(77)
    harness.main()
