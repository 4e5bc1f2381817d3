# SPDX-License-Identifier: Apache-2.0
"""Commands of policies: when they run, their environment, and that they cannot harm the daemon."""

import os
import signal
import statistics
import time

import harness
from harness import NETNS_DIR, add_netns, delete_netns, get, put, wait_until
from hostile_names_test import NAMES

KEY = "net.ipv4.tcp_keepalive_time"
WANT = 1234
MIB = 1 << 20


def commands(startup=(), capabilities="none", **events):
    lines = ["    commands:", f"      capabilities: {capabilities}"]
    for name, of in (("startup", startup), *events.items()):
        indent = "      " if name == "startup" else "        "
        if name != "startup" and lines[-1] != "" and "      events:" not in lines:
            lines.append("      events:")
        lines.append(f"{indent}{name}:" + ("" if of else " []"))
        lines += [f"{indent}  - '{command}'" for command in of]
    return "\n".join(lines) + "\n"


class PolicyCommands(harness.Case):
    def setUp(self):
        super().setUp()
        os.mkdir(NETNS_DIR)
        self.out = os.path.join(self.directory, "out")

    def policy(self, mode="enforce", name="routers", timeout="30s", sysctls=True, **of):
        text = f"version: 1\ncommand_timeout: {timeout}\npolicies:\n  - name: {name}\n    netns: .*\n    mode: {mode}\n"
        if sysctls:
            text += f"    sysctls: {{{KEY}: {WANT}}}\n"
        self.configure(text + commands(**of))

    def written(self):
        if not os.path.exists(self.out):
            return []
        with open(self.out, "rb") as file:
            return file.read().split(b"\0")[:-1]

    def failures(self, metrics, reason):
        return metrics.sum("action_failures_total", action="command", reason=reason)

    def successes(self, metrics):
        return metrics.sum("actions_total", action="command", result="success")

    def test_a_command_runs_after_the_sysctls_are_set(self):
        self.policy(capabilities="daemon", IN_CREATE=[f"ip netns exec $NETNS cat {harness.key_path(KEY)} | tr \"\\n\" \"\\0\" >> {self.out}"])
        daemon = self.start()
        for number in range(20):
            add_netns(f"router-{number}")
        daemon.wait_metrics(lambda m: self.successes(m) == 20, "20 commands")
        self.assertEqual(self.written(), [str(WANT).encode()] * 20)

    def test_it_runs_once_for_each_life_of_a_netns_whatever_its_inode_number(self):
        self.policy(IN_CREATE=[f"printf \"%s\\0\" \"$NETNS\" >> {self.out}"], sysctls=False)
        daemon = self.start()
        for number in range(1, 31):
            add_netns("router")
            daemon.wait_metrics(lambda m, n=number: self.successes(m) == n, "its command")
            delete_netns("router")
            daemon.wait_metrics(lambda m: m.sum("netns") == 0, "no netns")
        daemon.wait_sweeps()
        self.assertEqual(len(self.written()), 30)

    def test_a_netns_that_loses_its_name_and_gets_another_is_no_new_one(self):
        self.policy(IN_CREATE=[f"printf \"%s\\0\" \"$NETNS\" >> {self.out}"])
        daemon = self.start()
        add_netns("first")
        daemon.wait_metrics(lambda m: self.successes(m) == 1, "its command")
        fd = os.open(harness.path_of("first"), os.O_RDONLY | os.O_CLOEXEC)  # keeps it alive (kernel fact 5)
        self.addCleanup(os.close, fd)
        delete_netns("first")
        daemon.wait_metrics(lambda m: m.sum("netns") == 0, "no netns")
        harness.place_file("second")
        harness.mount(f"/proc/self/fd/{fd}", harness.path_of("second"), b"none", harness.MS_BIND)
        daemon.wait_metrics(lambda m: m.sum("netns") == 1, "the netns again")
        add_netns("third")
        wait_until(lambda: self.written() == [b"first", b"third"], self.written)

    def test_it_runs_also_when_only_a_sweep_finds_the_netns(self):
        self.policy(IN_CREATE=[f"printf \"%s\\0\" \"$NETNS\" >> {self.out}"])
        daemon = self.start()
        daemon.signal(signal.SIGSTOP)
        for _ in range(10000):  # overflows the queue, so that the event of the netns is lost
            harness.place_file("a")
            os.unlink(harness.path_of("a"))
        add_netns("router")
        daemon.signal(signal.SIGCONT)
        wait_until(lambda: self.written() == [b"router"], self.written)
        daemon.wait_sweeps()
        self.assertEqual(self.written(), [b"router"])

    def test_any_name_reaches_a_command_byte_for_byte_and_none_is_taken_for_shell_text(self):
        self.policy(startup=[f"printf \"%s\\0\" \"$NETNS\" >> {self.out}"], IN_CREATE=[f"printf \"%s\\0\" \"$NETNS\" >> {self.out}"])
        half = len(NAMES) // 2
        for name in NAMES[:half]:
            add_netns(name)
        daemon = self.start()
        for name in NAMES[half:]:
            add_netns(name)
        daemon.wait_metrics(lambda m: self.successes(m) == len(NAMES), "a command for each name")
        self.assertEqual(sorted(self.written()), sorted(NAMES))
        self.assertFalse(os.path.exists("/forged"))
        self.assertEqual([line for line in daemon.lines if "not_json" in line], [])

    def test_audit_runs_nothing(self):
        add_netns("old")
        self.policy(startup=[f"touch {self.out}"], IN_CREATE=[f"touch {self.out}"])
        for arguments, mode in ((["--audit"], "enforce"), ([], "audit")):
            self.policy(mode=mode, startup=[f"touch {self.out}"], IN_CREATE=[f"touch {self.out}"])
            daemon = self.start(*arguments)
            add_netns("new" + mode)
            daemon.wait_log(lambda line: line.get("msg") == "commands skipped: the policy only audits" and
                            line["event"] == "IN_CREATE", "the decision")
            daemon.stop()
        self.assertFalse(os.path.exists(self.out))

    def test_commands_of_a_netns_that_has_gone_are_skipped_and_those_of_its_end_run(self):
        self.policy(IN_CREATE=["sleep 1", f"printf \"create\\0\" >> {self.out}"], IN_DELETE=[f"printf \"delete\\0\" >> {self.out}"])
        daemon = self.start()
        add_netns("router")
        daemon.wait_metrics(lambda m: m.sum("commands_running") == 1, "the first command")
        delete_netns("router")
        wait_until(lambda: self.written() == [b"delete"], self.written)
        daemon.wait_metrics(lambda m: m.sum("commands_queued") + m.sum("commands_running") == 0, "nothing waits")
        self.assertEqual(self.written(), [b"delete"])

    def test_four_netns_at_most_have_a_command_running(self):
        self.policy(startup=["sleep 0.3"])
        for number in range(8):
            add_netns(f"router-{number}")
        daemon = self.start()
        most = 0

        def all_done():
            nonlocal most
            metrics = daemon.scrape()
            most = max(most, metrics.sum("commands_running"))
            self.assertLessEqual(metrics.sum("commands_running") + metrics.sum("commands_queued"), 8)
            return self.successes(metrics) == 8

        wait_until(all_done, "8 commands")
        self.assertEqual(most, 4)

    def test_each_way_to_fail_is_counted_and_logged(self):
        self.policy(timeout="2s", IN_CREATE=["echo why >&2; exit 7", "kill -9 $$", "sleep 60", "true"])
        daemon = self.start()
        add_netns("router")
        metrics = daemon.wait_metrics(lambda m: self.successes(m) == 1, "the last command")
        self.assertEqual((self.failures(metrics, "exit"), self.failures(metrics, "timeout")), (2, 1))
        errors = [(line["error"], line["output"]) for line in daemon.lines if line.get("msg") == "command failed"]
        self.assertEqual(errors[:2], [("exit status 7", "why"), ("killed by signal 9", "")])
        self.assertIn("timed out after 2s", errors[2][0])

    def test_too_many_events_are_dropped_and_counted(self):
        self.policy(IN_DELETE=["sleep 0.2"], timeout="1s")
        daemon = self.start()
        for number in range(2000):
            harness.place_file(f"f{number}")
            os.unlink(harness.path_of(f"f{number}"))
        metrics = daemon.wait_metrics(lambda m: m.sum("commands_dropped_total") > 900, "dropped commands")
        self.assertLessEqual(metrics.sum("commands_queued"), 1000)
        daemon.wait_log(lambda line: line.get("msg") == "commands dropped: queue full", "a line about it")

    def repair_times(self, name, count):
        times = []
        for _ in range(count):
            put(name, KEY, 5)
            begun = time.monotonic()
            wait_until(lambda: get(name, KEY) == str(WANT), "repaired")
            times.append(time.monotonic() - begun)
        return times

    def test_failing_hanging_flooding_and_forking_commands_slow_no_repair_and_cost_no_memory(self):
        add_netns("steady")
        self.policy(timeout="2s", IN_CREATE=["exit 1", "yes", "trap \"\" TERM; sleep 60", "while :; do (setsid sleep 9 &); done"])
        daemon = self.start("--repair.budget=1000", interval="100ms")
        add_netns("warm-up")
        daemon.wait_metrics(lambda m: self.failures(m, "timeout") == 3, "each of them once")
        quiet = statistics.median(self.repair_times("steady", 20))
        before = daemon.scrape()["process_resident_memory_bytes"][frozenset()]
        for number in range(4):
            add_netns(f"router-{number}")
        daemon.wait_metrics(lambda m: m.sum("commands_running") == 4, "four at once")
        busy = statistics.median(self.repair_times("steady", 20))
        metrics = daemon.wait_metrics(lambda m: self.failures(m, "timeout") == 15, "the end of all of them")
        self.assertEqual(self.failures(metrics, "exit"), 5)
        self.assertLess(metrics["process_resident_memory_bytes"][frozenset()] - before, MIB)
        # The sweep interval is 100 ms; the CPU time of the commands adds to it.
        self.assertLess(busy, 2 * quiet + 0.05, f"{quiet:.3f} s without, {busy:.3f} s with")
        self.assertEqual(metrics.sum("drifted_sysctls"), 0)
        print(f"median repair {quiet:.3f} s without, {busy:.3f} s with; RSS grew by "
              f"{metrics['process_resident_memory_bytes'][frozenset()] - before:.0f} bytes", flush=True)

    def test_what_commands_run_ends_with_the_daemon_however_it_ends(self):
        mark = f"61.{os.getpid()}"
        self.policy(IN_CREATE=[f"sleep {mark}"])
        for end in (signal.SIGTERM, signal.SIGKILL):
            daemon = self.start()
            add_netns(f"router-{end.name}")
            wait_until(lambda: self.processes_with(mark) > 0, "the command")
            daemon.signal(end)
            daemon.process.wait(harness.DEADLINE)
            wait_until(lambda: self.processes_with(mark) == 0, "no process of the command")

    def processes_with(self, word):
        count = 0
        for entry in os.listdir("/proc"):
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:  # empty for a zombie
                    count += word.encode() in file.read()
            except OSError:
                pass
        return count


if __name__ == "__main__":
    harness.main()
