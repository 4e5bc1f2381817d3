# SPDX-License-Identifier: Apache-2.0
"""The fleet dashboard: compliance, the worst nodes, drift over all nodes, and nodes that need attention."""

import node
from panels import (BLUE, GREEN, NONE_IS_GOOD, RED, YELLOW, Board, annotation, bars, column, heatmap, lines, link, log_lines, now, override,
                    query, stat, steps, table, variable, words)

UID = "nswarden-fleet"
NODES = 'job=~"$job",instance=~"$instance"'
POLICY = NODES + ',policy=~"$policy"'
RATE = "[$__rate_interval]"
EACH = "by (job, instance)"
STALE = 120  # seconds without a sweep


def to_node(job, instance):
    return link("This node", f"/d/{node.UID}?${{datasource:queryparam}}&var-job=${{{job}:percentencode}}&var-instance=${{{instance}:percentencode}}"
                "&${policy:queryparam}&${__url_time_range}")


def to_status_page(instance):
    return link("Status page of the node (your browser must be able to reach it)", f"http://${{{instance}}}/", new_tab=True)


FROM_SERIES = [to_node("__field.labels.job", "__field.labels.instance"), to_status_page("__field.labels.instance")]
FROM_ROW = override("instance", links=[to_node("__data.fields.job", "__data.fields.instance"), to_status_page("__data.fields.instance")])
REACH = "A node links to its dashboard and, if your browser can reach it, to its status page."


def build():
    board = Board(UID, "nswarden / fleet", "All nodes: compliance, the worst nodes, drift, and nodes that need attention.",
                  variables(), annotations(), links(), "6h")
    for fill in (overview, over_time, nodes, drift, failures, compliance, configurations, health, cost):
        fill(board)
    return board.finished()


def variables():
    # Jobs are selected by a list because a pattern would also match every other job of the same Prometheus.
    return [variable("job", "Job", "label_values(nswarden_build_info, job)", "Scrape jobs with nswarden.", many=True),
            variable("instance", "Instance", 'label_values(nswarden_build_info{job=~"$job"}, instance)', "Nodes of these jobs.", many=True,
                     all_value=".+"),
            variable("policy", "Policy", f"label_values(nswarden_netns{{{NODES}}}, policy)",
                     "Policies of these nodes; filters panels about drift and repairs.", many=True, all_value=".+")]


def annotations():
    return [annotation("Configuration changes", f"""count(increase(nswarden_config_reloads_total{{{NODES},result="success"}}{RATE}) > 0)""", BLUE,
                       "Configurations reloaded", "on some nodes")]


def links():
    return [{"type": "link", "icon": "external link", "tags": [], "asDropdown": False, "includeVars": False, "title": "Node",
             "tooltip": "One node", "keepTime": True, "targetBlank": False, "url": f"/d/{node.UID}?${{datasource:queryparam}}"}]


def overview(board):
    drifted = f"sum {EACH} (nswarden_drifted_sysctls{{{POLICY}}})"
    good_share = steps((None, RED), (0.95, YELLOW), (1, GREEN))
    board.row("Overview")
    board.line(
        4,
        (4, stat("Nodes compliant", "Share of the scraped nodes on which every setting complies. Nodes that are down do not count.",
                 [now(f"avg({drifted} == bool 0)")], "percentunit", good_share, low=0, high=1)),
        (4, stat("Settings compliant", "Share of all settings that comply.",
                 [now(f"1 - sum(nswarden_drifted_sysctls{{{POLICY}}}) / (sum(nswarden_managed_sysctls{{{POLICY}}}) > 0)")], "percentunit",
                 good_share, low=0, high=1, no_value="nothing governed")),
        (3, stat("Nodes up", "Nodes that Prometheus can scrape.", [now(f"sum(up{{{NODES}}})")])),
        (3, stat("Nodes down", "Nodes that Prometheus cannot scrape.", [now(f"sum(up{{{NODES}}} == bool 0)")],
                 thresholds=NONE_IS_GOOD)),
        (3, stat("Drifted settings", "Settings that are drifted, missing or unreadable.",
                 [now(f"sum(nswarden_drifted_sysctls{{{POLICY}}})")], thresholds=NONE_IS_GOOD)),
        (3, stat("Suspended settings", "Settings that another program keeps changing back.",
                 [now(f"sum(nswarden_suspended_sysctls{{{POLICY}}})")], thresholds=NONE_IS_GOOD)),
        (4, stat("Network namespaces", "Netns governed by a policy; one that several policies match counts for each.",
                 [now(f"sum(nswarden_netns{{{POLICY}}})")])))


def over_time(board):
    board.row("Over time")
    board.line(
        8,
        (8, lines("Share compliant", "Of the scraped nodes, and of their settings.",
                  [query(f"avg(sum {EACH} (nswarden_drifted_sysctls{{{POLICY}}}) == bool 0)", "nodes"),
                   query(f"1 - sum(nswarden_drifted_sysctls{{{POLICY}}}) / (sum(nswarden_managed_sysctls{{{POLICY}}}) > 0)", "settings")],
                  "percentunit", high=1)),
        (8, lines("Nodes", "Nodes up, nodes down, and nodes with drift.",
                  [query(f"sum(up{{{NODES}}})", "up"), query(f"sum(up{{{NODES}}} == bool 0)", "down"),
                   query(f"sum(sum {EACH} (nswarden_drifted_sysctls{{{POLICY}}}) > bool 0)", "with drift")], "short", decimals=0)),
        (8, lines("Drifted settings by policy", "Over all nodes.",
                  [query(f"sum by (policy) (nswarden_drifted_sysctls{{{POLICY}}})", "{{policy}}")], "short", stacked=True, decimals=0)))


def nodes(board):
    worst = f"topk(20, sum {EACH} (nswarden_drifted_sysctls{{{POLICY}}}) > 0)"
    board.row("Worst nodes")
    board.line(
        10,
        (16, table("Worst nodes", f"The 20 nodes with the most drifted settings. Failures are those within the time range. {REACH}",
                   [column("drifted", worst),
                    column("compliant", f"""1 - sum {EACH} (nswarden_drifted_sysctls{{{POLICY}}})
                                            / sum {EACH} (nswarden_managed_sysctls{{{POLICY}}}) and on (job, instance) {worst}"""),
                    column("suspended", f"sum {EACH} (nswarden_suspended_sysctls{{{POLICY}}}) and on (job, instance) {worst}"),
                    column("failures", f"""sum {EACH} (increase(nswarden_action_failures_total{{{POLICY}}}[$__range]))
                                           and on (job, instance) {worst}""")],
                   ["instance", "job"], "short",
                   [FROM_ROW, override("compliant", unit="percentunit", min=0, max=1), override("failures", decimals=0),
                    override("suspended", thresholds=steps((None, "text"), (1, RED)), custom_displayMode="color-text")],
                   sort="drifted", no_value="-")),
        (8, table("Nodes that are down", f"Nodes that Prometheus cannot scrape now. {REACH}",
                  [column(None, f"up{{{NODES}}} == 0")], ["instance", "job"], "none", [FROM_ROW], no_value="-")))


def drift(board):
    found = f"nswarden_drift_detected_total{{{POLICY}}}{RATE}"
    board.row("Changes and their writers")
    board.line(
        8,
        (8, lines("Drift by key", "Drifts detected per minute; the ten settings with the most.",
                  [query(f"topk(10, 60 * sum by (sysctl) (rate({found})))", "{{sysctl}}")], "cpm")),
        (8, lines("Drift by policy", "Drifts detected per minute.", [query(f"60 * sum by (policy) (rate({found}))", "{{policy}}")], "cpm", stacked=True)),
        (8, lines("Writers", "Drifts per minute by the name of the writer, for writes with an event; the ten with the most.",
                  [query(f"topk(10, 60 * sum by (comm) (rate(nswarden_drift_writers_total{{{NODES}}}{RATE})))", "{{comm}}")], "cpm")))


def failures(board):
    board.row("Repairs and failures")
    board.line(
        8,
        (8, lines("Actions", "Writes and commands per minute, by result.",
                  [query(f"60 * sum by (action, result) (rate(nswarden_actions_total{{{POLICY}}}{RATE}))", "{{action}}: {{result}}")], "cpm")),
        (8, lines("Failures by reason", "Failed writes and commands per minute.",
                  [query(f"60 * sum by (action, reason) (rate(nswarden_action_failures_total{{{POLICY}}}{RATE}))", "{{action}}: {{reason}}")],
                  "cpm", stacked=True)),
        (8, lines("Failures by node", f"Failures per minute; the ten nodes with the most. {REACH}",
                  [query(f"topk(10, 60 * sum {EACH} (rate(nswarden_action_failures_total{{{POLICY}}}{RATE})) > 0)", "{{instance}}")], "cpm",
                  links=FROM_SERIES)))


def compliance(board):
    bucket = f"nswarden_time_to_compliance_seconds_bucket{{{NODES}}}{RATE}"
    board.row("Time to compliance")
    board.line(
        9,
        (12, heatmap("Time to compliance", """Repairs by their duration, over all nodes: from the first sign of a new netns until all its settings comply, and
                     from the event of a write to the value read back. Darker is more.""", f"sum by (le) (increase({bucket}))")),
        (12, log_lines("Time to compliance, median and 99 %", "Over all nodes. create: a new netns; drift: a write with an event.",
                       [query(f"histogram_quantile({quantile}, sum by (le, trigger) (rate({bucket})))", f"{{{{trigger}}}}: {word}")
                        for quantile, word in ((0.5, "median"), (0.99, "99 %"))], "s")))


def configurations(board):
    board.row("Configurations and versions")
    board.line(
        8,
        (6, bars("Configurations in the fleet", """Nodes for each configuration, by the first 12 digits of the SHA-256 of all its files.""", [now(f'count by (hash) (nswarden_config_info{{{NODES},hash!=""}})', "{{hash}}")])),
        (6, bars("Versions in the fleet", "Nodes for each version.",
                 [now(f"count by (version, revision) (nswarden_build_info{{{NODES}}})", "{{version}} {{revision}}")])),
        (6, table("Configuration rejected", f"""Nodes whose configuration, or file of --web.config.file, was invalid when it was last read; the
                  previous one is in force. {REACH}""",
                  [column("policies", f"nswarden_config_last_reload_successful{{{NODES}}} == 0"),
                   column("web", f"nswarden_web_config_last_reload_successful{{{NODES}}} == 0")], ["instance", "job"], "none",
                  [FROM_ROW, *(override(head, mappings=words({0: ("rejected", RED)})) for head in ("policies", "web"))], no_value="-")),
        (6, bars("Audit-only policies", "Number of nodes on which a policy reports drift and repairs nothing.",
                 [now(f"count by (policy) (nswarden_enforcement_enabled{{{POLICY}}} == 0)", "{{policy}}")],
                 thresholds=steps((None, YELLOW)))))


def health(board):
    age = f"time() - (nswarden_reconcile_last_success_timestamp_seconds{{{NODES}}} > 0)"
    board.row("Nodes that need attention")
    board.line(
        8,
        (6, lines("Event sources down", "Number of nodes on which an event source is down, so that only sweeps find the changes.",
                  [query(f"sum by (source) (nswarden_event_source_up{{{NODES}}} == bool 0)", "{{source}}")], "short", stacked=True, decimals=0)),
        (6, table("Nodes with event sources down", f"The nodes and their event sources that are down. {REACH}",
                  [column(None, f"nswarden_event_source_up{{{NODES}}} == 0")], ["instance", "job", "source"], "none", [FROM_ROW], no_value="-")),
        (6, lines("Age of the last sweep", f"The ten nodes with the oldest last sweep; more than {STALE} s is stale. {REACH}",
                  [query(f"topk(10, {age})", "{{instance}}")], "s", links=FROM_SERIES, thresholds=steps((None, GREEN), (STALE, RED)))),
        (6, table("Suspended and in conflict", f"Nodes on which programs or policies contradict each other. {REACH}",
                  [column("suspended", f"sum {EACH} (nswarden_suspended_sysctls{{{POLICY}}}) > 0"),
                   column("conflicts", f"sum {EACH} (nswarden_policy_conflicts{{{POLICY}}}) > 0")], ["instance", "job"], "short", [FROM_ROW],
                  sort="suspended", no_value="-")))
    board.line(
        7,
        (6, lines("Events lost", "Losses of events by source, in each step of the graph, over all nodes; sweeps follow.",
                  [query(f"sum by (source) (increase(nswarden_event_overflows_total{{{NODES}}}{RATE}))", "{{source}}")], "short", bars=True)),
        (6, lines("Restarts", "Restarts of daemons, in each step of the graph.",
                  [query(f"sum(changes(process_start_time_seconds{{{NODES}}}{RATE}))", "restarts")], "short", bars=True)),
        (6, lines("Reloads", """Attempts to reload a configuration or a file of --web.config.file, in each step of the graph, over all nodes.""",
                  [query(f"sum by (result) (increase(nswarden_config_reloads_total{{{NODES}}}{RATE}))", "{{result}}"),
                   query(f"sum by (result) (increase(nswarden_web_config_reloads_total{{{NODES}}}{RATE}))", "web: {{result}}")], "short",
                  bars=True)),
        (6, lines("Drift that is not listed", f"Drifted settings without a series of their own, because of --metrics.series-limit. {REACH}",
                  [query(f"topk(10, nswarden_sysctl_drift_hidden{{{NODES}}} > 0)", "{{instance}}")], "short", links=FROM_SERIES, decimals=0)))


def cost(board):
    board.row("Cost")
    board.line(
        8,
        *((6, lines(title, f"{description} The ten nodes with the most. {REACH}", [query(f"topk(10, {expr})", "{{instance}}")], unit,
                    links=FROM_SERIES)) for title, description, unit, expr in (
            ("CPU", "Share of one core.", "percentunit", f"rate(process_cpu_seconds_total{{{NODES}}}{RATE})"),
            ("Memory", "Resident.", "bytes", f"process_resident_memory_bytes{{{NODES}}}"),
            ("Use of file descriptors", "Share of the limit.", "percentunit",
             f"process_open_fds{{{NODES}}} / process_max_fds{{{NODES}}}"),
            ("Scrape duration", "Duration of a scrape by Prometheus.", "s", f"scrape_duration_seconds{{{NODES}}}"))))
