# SPDX-License-Identifier: Apache-2.0
"""The dashboard of one node: compliance, drift and its writers, and the health of the daemon."""

from panels import (GREEN, NONE_IS_GOOD, RED, YELLOW, Board, annotation, column, heatmap, lines, link, log_lines, now, override,
                    query, stat, states, steps, table, variable, words)

# Before the first configuration is loaded, the hash is empty and the times of the configuration and of the last sweep are 0.
UID = "nswarden-node"
NODE = 'job="$job",instance="$instance"'
POLICY = NODE + ',policy=~"$policy"'
RATE = "[$__rate_interval]"
STATUS_PAGE = link("Status page of the node (your browser must be able to reach it)", "http://${instance}/", new_tab=True)


def build():
    board = Board(UID, "nswarden / node", "One node: its settings, their drift and its writers, and the health of the daemon.",
                  variables(), annotations(), links(), "3h")
    for fill in (verdict, drift, causes, repairs, compliance, sweeps, netns_and_events, configuration, process):
        fill(board)
    return board.finished()


def variables():
    return [variable("job", "Job", "label_values(nswarden_build_info, job)", "Scrape jobs with nswarden."),
            variable("instance", "Instance", 'label_values(nswarden_build_info{job="$job"}, instance)', "Nodes of the job."),
            variable("policy", "Policy", f"label_values(nswarden_netns{{{NODE}}}, policy)",
                     "Policies of the node; filters panels about drift and repairs.", many=True, all_value=".+")]


def annotations():
    reloads = f"nswarden_config_reloads_total{{{NODE},result="
    return [annotation("Restarts", f"changes(process_start_time_seconds{{{NODE}}}{RATE}) > 0", YELLOW, "Restarted", "{{instance}}"),
            annotation("Reloads", f'increase({reloads}"success"}}{RATE}) > 0', GREEN, "Configuration reloaded", "{{instance}}"),
            annotation("Rejected configurations", f'increase({reloads}"failure"}}{RATE}) > 0', RED, "Configuration rejected", "{{instance}}")]


def links():
    common = {"type": "link", "icon": "external link", "tags": [], "asDropdown": False, "includeVars": False}
    return [{**common, "title": "Fleet", "tooltip": "All nodes of the job", "keepTime": True, "targetBlank": False,
             "url": "/d/nswarden-fleet?${datasource:queryparam}&var-job=${job:percentencode}"},
            {**common, "title": "Status page", "tooltip": "Served by the daemon; your browser must be able to reach the node",
             "url": "http://${instance}/", "keepTime": False, "targetBlank": True}]


def verdict(board):
    board.row("Verdict")
    board.line(
        4,
        (5, stat("Compliance", """Settings that do not comply now: drifted, missing or unreadable. Opens the status page, if your browser can reach
                 the node.""",
                 [now(f"sum(nswarden_drifted_sysctls{{{POLICY}}})", "not compliant")], thresholds=NONE_IS_GOOD,
                 mappings=words({0: ("compliant", GREEN)}), links=[STATUS_PAGE], no_value="no data: is it up?")),
        (3, stat("Scrape", "Whether Prometheus could scrape the node.", [now(f"up{{{NODE}}}")], "none",
                 thresholds=steps((None, RED), (1, GREEN)), mappings=words({0: ("down", RED), 1: ("up", GREEN)}), links=[STATUS_PAGE])),
        (4, stat("Settings compliant", "Share of the settings of the policies that comply.",
                 [now(f"1 - sum(nswarden_drifted_sysctls{{{POLICY}}}) / (sum(nswarden_managed_sysctls{{{POLICY}}}) > 0)")], "percentunit",
                 thresholds=steps((None, RED), (0.99, YELLOW), (1, GREEN)), low=0, high=1, no_value="nothing governed")),
        (3, stat("Suspended", "Settings that are repaired only from time to time because another program keeps changing them back.",
                 [now(f"sum(nswarden_suspended_sysctls{{{POLICY}}})")], thresholds=NONE_IS_GOOD)),
        (3, stat("Last sweep", "Time since the last completed sweep; the default interval is 10 s.",
                 [now(f"time() - (nswarden_reconcile_last_success_timestamp_seconds{{{NODE}}} > 0)")], "s", low=0, decimals=1,
                 thresholds=steps((None, GREEN), (60, YELLOW), (120, RED)), no_value="none yet")),
        (3, stat("Configuration", "Whether the configuration was valid when it was last read. If rejected, the previous one is in force.",
                 [now(f"nswarden_config_last_reload_successful{{{NODE}}}")], "none", thresholds=steps((None, RED), (1, GREEN)),
                 mappings=words({0: ("rejected", RED), 1: ("good", GREEN)}), links=[STATUS_PAGE])),
        (3, stat("Audit-only policies", "Policies that report drift and repair nothing.",
                 [now(f"sum(nswarden_enforcement_enabled{{{POLICY}}} == bool 0)")], thresholds=steps((None, GREEN), (1, YELLOW)))))


def drift(board):
    netns_page = link("Status page, this netns (your browser must be able to reach the node)",
                      "http://${instance}/?netns=${__data.fields.netns:percentencode}", new_tab=True)
    board.row("Current drift")
    board.line(
        9,
        (12, lines("Drifted settings by policy", "Settings that are drifted, missing or unreadable.",
                   [query(f"nswarden_drifted_sysctls{{{POLICY}}}", "{{policy}}")], "short", stacked=True, decimals=0)),
        (6, lines("Suspended settings by policy", "Settings that another program keeps changing back; they are repaired from time to time.",
                  [query(f"nswarden_suspended_sysctls{{{POLICY}}}", "{{policy}}")], "short", stacked=True, decimals=0)),
        (6, lines("By reason", """Settings that do not comply, by reason, and the number not listed one by one because of --metrics.series-limit.
                  clamped: the kernel stores another value than the one written.""",
                  [query(f"sum by (reason) (nswarden_sysctl_drift{{{POLICY}}})", "{{reason}}"),
                   query(f"nswarden_sysctl_drift_hidden{{{NODE}}}", "not listed")], "short", stacked=True, decimals=0)))
    board.line(
        9,
        (24, table("Settings that drift", """Each setting that does not comply now, up to --metrics.series-limit. A netns links to its part of the status
                   page, if your browser can reach the node.""",
                   [column(None, f"nswarden_sysctl_drift{{{POLICY}}}")], ["netns", "sysctl", "policy", "reason"], "none",
                   [override("netns", links=[netns_page])], no_value="-")))


def causes(board):
    found = f"nswarden_drift_detected_total{{{POLICY}}}{RATE}"
    board.row("Changes and their writers")
    board.line(
        8,
        (10, lines("Drift by key", "Drifts detected per minute, by setting.",
                   [query(f"60 * sum by (sysctl) (rate({found}))", "{{sysctl}}")], "cpm", stacked=True)),
        (7, lines("Drift by policy and source", """Drifts detected per minute. create: a new netns; event: the event of a write; reconcile: a sweep; startup:
                  the first sweep of a daemon.""",
                  [query(f"60 * sum by (policy, source) (rate({found}))", "{{policy}}: {{source}}")], "cpm", stacked=True)),
        (7, lines("Writers", """Drifts per minute by the name of the writer, for writes with an event; unknown: the process had ended. The log has its
                  pid and more.""",
                  [query(f"60 * sum by (comm) (rate(nswarden_drift_writers_total{{{NODE}}}{RATE}))", "{{comm}}")], "cpm", stacked=True)))


def repairs(board):
    board.row("Repairs and commands")
    board.line(
        8,
        (8, lines("Actions", "Writes and commands per minute, by result.",
                  [query(f"60 * sum by (action, result) (rate(nswarden_actions_total{{{POLICY}}}{RATE}))", "{{action}}: {{result}}")], "cpm")),
        (8, lines("Failures by reason", """Failed writes and commands per minute. readback: the kernel stored another value; einval, eacces, ...: the
                  error of the kernel; exit: the status of a command.""",
                  [query(f"60 * sum by (action, reason) (rate(nswarden_action_failures_total{{{POLICY}}}{RATE}))", "{{action}}: {{reason}}")],
                  "cpm", stacked=True)),
        (4, lines("Commands", "Running and waiting commands; at most 4 netns run one at the same time.",
                  [query(f"nswarden_commands_running{{{NODE}}}", "running"), query(f"nswarden_commands_queued{{{NODE}}}", "queued")], "short",
                  decimals=0)),
        (4, lines("Commands dropped", "Commands per minute that were not run because too many waited.",
                  [query(f"60 * sum by (policy) (rate(nswarden_commands_dropped_total{{{POLICY}}}{RATE}))", "{{policy}}")], "cpm")))


def compliance(board):
    bucket = f"nswarden_time_to_compliance_seconds_bucket{{{NODE}}}{RATE}"
    by_trigger = f"sum by (le, trigger) (rate({bucket}))"
    board.row("Time to compliance")
    board.line(
        9,
        (12, heatmap("Time to compliance", """Repairs by their duration: from the first sign of a new netns until all its settings comply, and from the event of a
                     write to the value read back. Darker is more.""", f"sum by (le) (increase({bucket}))")),
        (12, log_lines("Time to compliance, median and 99 %", "create: a new netns; drift: a write with an event.",
                       [query(f"histogram_quantile(0.5, {by_trigger})", "{{trigger}}: median"),
                        query(f"histogram_quantile(0.99, {by_trigger})", "{{trigger}}: 99 %")], "s")))


def sweeps(board):
    duration = f"nswarden_reconcile_duration_seconds_bucket{{{NODE}}}{RATE}"
    board.row("Sweeps")
    board.line(
        8,
        (12, log_lines("Sweep duration", "Time that one sweep took in the loop, summed over its slices.",
                       [query(f"histogram_quantile(0.5, sum by (le) (rate({duration})))", "median"),
                        query(f"histogram_quantile(0.99, sum by (le) (rate({duration})))", "99 %"),
                        query(f"""rate(nswarden_reconcile_duration_seconds_sum{{{NODE}}}{RATE})
                                  / rate(nswarden_reconcile_duration_seconds_count{{{NODE}}}{RATE})""", "mean")], "s")),
        (6, lines("Sweeps by trigger", "Sweeps per minute; lost: events were lost, and a sweep replaced them.",
                  [query(f"60 * sum by (trigger) (rate(nswarden_reconciles_total{{{NODE}}}{RATE}))", "{{trigger}}")], "cpm", stacked=True)),
        (6, lines("Age of the last sweep", "Time since the last completed sweep.",
                  [query(f"time() - (nswarden_reconcile_last_success_timestamp_seconds{{{NODE}}} > 0)", "age")], "s",
                  thresholds=steps((None, GREEN), (120, RED)))))


def netns_and_events(board):
    board.row("Network namespaces and events")
    board.line(
        8,
        (6, lines("Network namespaces", "Governed, by policy (a netns may have several); without a policy; and names that cannot be entered yet.",
                  [query(f"nswarden_netns{{{POLICY}}}", "{{policy}}"), query(f"nswarden_netns_unmatched{{{NODE}}}", "unmatched"),
                   query(f"nswarden_netns_pending{{{NODE}}}", "pending")], "short", decimals=0)),
        (6, states("Event sources", "Whether each event source works. While one is down, the next sweep finds the changes.",
                   [query(f"nswarden_event_source_up{{{NODE}}}", "{{source}}")], words({0: ("down", RED), 1: ("up", GREEN)}),
                   [STATUS_PAGE])),
        (7, lines("Events", "Events per second that report a possible change.",
                  [query(f"sum by (source, event) (rate(nswarden_events_total{{{NODE}}}{RATE}))", "{{source}}: {{event}}")], "cps")),
        (5, lines("Events lost", "Losses of events by source, in each step of the graph; a sweep follows each.",
                  [query(f"sum by (source) (increase(nswarden_event_overflows_total{{{NODE}}}{RATE}))", "{{source}}")], "short", bars=True)))


def configuration(board):
    board.row("Configuration")
    board.line(
        8,
        (12, table("Policies", "The mode of each policy and the settings that it governs now. Conflicts: settings that it lost to another policy.",
                   [column("enforces", f"max by (policy) (nswarden_enforcement_enabled{{{POLICY}}})"),
                    *(column(head, f"sum by (policy) (nswarden_{name}{{{POLICY}}})") for head, name in
                      (("netns", "netns"), ("settings", "managed_sysctls"), ("drifted", "drifted_sysctls"),
                       ("suspended", "suspended_sysctls"), ("conflicts", "policy_conflicts")))],
                   ["policy"], "short",
                   [override("enforces", unit="none", mappings=words({0: ("audit", YELLOW), 1: ("enforces", GREEN)})),
                    *(override(head, thresholds=steps((None, "text"), (1, RED)), custom_displayMode="color-text")
                      for head in ("drifted", "suspended", "conflicts"))], sort="drifted")),
        (4, states("Configuration in use", "The first 12 digits of the SHA-256 of all configuration files; a new band begins where it changed.",
                   [query(f'nswarden_config_info{{{NODE},hash!=""}}', "{{hash}}")], words({1: ("in use", GREEN)}))),
        (2, stat("Loaded", "When the configuration in use was read.",
                 [now(f"1000 * (nswarden_config_last_reload_success_timestamp_seconds{{{NODE}}} > 0)")], "dateTimeFromNow")),
        (2, stat("Web config", "Whether the file of --web.config.file, if any, was valid when it was last read.",
                 [now(f"nswarden_web_config_last_reload_successful{{{NODE}}}")], "none", thresholds=steps((None, RED), (1, GREEN)),
                 mappings=words({0: ("rejected", RED), 1: ("good", GREEN)}))),
        (4, lines("Reloads", "Attempts to reload the configuration or the file of --web.config.file, in each step of the graph.",
                  [query(f"sum by (result) (increase(nswarden_config_reloads_total{{{NODE}}}{RATE}))", "{{result}}"),
                   query(f"sum by (result) (increase(nswarden_web_config_reloads_total{{{NODE}}}{RATE}))", "web: {{result}}")], "short",
                  bars=True)))


def process(board):
    board.row("The daemon")
    board.line(
        8,
        (5, lines("CPU", "Share of one core.", [query(f"rate(process_cpu_seconds_total{{{NODE}}}{RATE})", "CPU")], "percentunit")),
        (5, lines("Memory", "Resident memory.",
                  [query(f"process_resident_memory_bytes{{{NODE}}}", "resident"), query(f"process_virtual_memory_bytes{{{NODE}}}", "virtual")],
                  "bytes", overrides=[override("virtual", custom_hideFrom={"viz": True, "legend": False, "tooltip": False})])),
        (5, lines("File descriptors", "Open descriptors and the limit. The daemon holds settings open as far as the limit allows.",
                  [query(f"process_open_fds{{{NODE}}}", "open"), query(f"process_max_fds{{{NODE}}}", "limit")], "short", decimals=0)),
        (5, lines("Settings by how they are read", """held: through an open file descriptor for each; by directory: through the descriptor of
                  the directory, because the limit is too low for one for each, which takes longer.""",
                  [query(f"nswarden_bound_sysctls{{{NODE}}}", "held"), query(f"nswarden_dirfd_sysctls{{{NODE}}}", "by directory")], "short",
                  stacked=True, decimals=0)),
        (2, stat("Runs since", "When the daemon was started.", [now(f"1000 * process_start_time_seconds{{{NODE}}}")], "dateTimeFromNow")),
        (2, stat("Version", "The version that runs.", [now(f"nswarden_build_info{{{NODE}}}", "{{version}}")], "none", text="name")))
    board.line(
        7,
        (18, lines("Observed settings", "Each number in the values of the settings that the configuration only observes.",
                   [query(f"nswarden_sysctl_value{{{NODE}}}", "{{netns}} {{sysctl}} [{{index}}]")], "none", low=None)),
        (6, stat("Observed numbers not listed", "Numbers without a series because of --metrics.series-limit.",
                 [now(f"nswarden_sysctl_value_hidden{{{NODE}}}", "not listed")], thresholds=steps((None, GREEN), (1, YELLOW)))))
