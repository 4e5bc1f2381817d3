// SPDX-License-Identifier: Apache-2.0
#include <nswarden/policy/key_traits.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "policy/key_text.hpp"

namespace nswarden {
namespace {

/// Adds traits to keys, on top of those from other rows. The form and the count of numbers come from the last row that has any;
/// exact names are applied after globs.
struct KeyRow {
  /// Paths below net, separated by spaces; `*` matches an interface, `all` and `default`; `*` alone matches any directory.
  std::string_view directories;
  std::string_view
      names;  ///< in each directory, separated by spaces; a name that ends with `*` is a prefix, also in subdirectories
  KeyTraits traits;
};

constexpr KeyTraits of_numbers(std::uint8_t count) { return {.form = ValueForm::numbers, .numbers = count}; }
constexpr KeyTraits of_wide_numbers(std::uint8_t count) { return {.form = ValueForm::numbers, .numbers = count, .wide = true}; }
constexpr KeyTraits of_one(ValueForm form) { return {.form = form, .numbers = 1}; }
constexpr KeyTraits of_form(ValueForm form) { return {.form = form}; }

// Keys of Linux 5.10 to 7.3 as tests/netns/survey_test.cpp finds them. The keys of sctp, rds, mpls, ipvs and tipc were absent there;
// their rows follow the kernel source. Rows with a version hold the differences of 5.10, 6.1, 6.12 and 7.3; all other traits hold
// on each of these that has the key.
constexpr std::array key_table{
    // One number each.
    KeyRow{
        "core",
        "bpf_jit_enable bpf_jit_harden bpf_jit_kallsyms busy_poll busy_read bypass_prot_mem dev_weight dev_weight_rx_bias "
        "dev_weight_tx_bias "
        "devconf_inherit_init_net fb_tunnels_only_for_init_net flow_limit_table_len gro_normal_batch high_order_alloc_disable "
        "max_skb_frags mem_pcpu_rsv message_burst message_cost netdev_budget netdev_budget_usecs netdev_max_backlog "
        "netdev_tstamp_prequeue netdev_unregister_timeout_secs optmem_max qdisc_max_burst rmem_default rmem_max "
        "rps_sock_flow_entries "
        "skb_defer_max somaxconn tstamp_allow_data txrehash warnings wmem_default wmem_max xfrm_acq_expires "
        "xfrm_aevent_etime xfrm_aevent_rseqth xfrm_larval_drop",
        of_numbers(1)},
    KeyRow{"ipv4",
           "cipso_cache_bucket_size cipso_cache_enable cipso_rbm_optfmt cipso_rbm_strictvalid fib_multipath_hash_fields "
           "fib_multipath_hash_policy fib_multipath_hash_seed fib_multipath_use_neigh fib_notify_on_flag_change fib_sync_mem "
           "fwmark_reflect icmp_echo_enable_probe icmp_echo_ignore_all icmp_echo_ignore_broadcasts "
           "icmp_errors_extension_mask icmp_errors_use_inbound_ifaddr icmp_ignore_bogus_error_responses icmp_msgs_burst "
           "icmp_msgs_per_sec icmp_ratemask "
           "igmp_link_local_mcast_reports igmp_max_memberships igmp_max_msf igmp_qrv inet_peer_maxttl inet_peer_minttl "
           "inet_peer_threshold ip_autobind_reuse ip_default_ttl ip_dynaddr ip_early_demux ip_forward "
           "ip_forward_update_priority ip_forward_use_pmtu ip_local_port_step_width ip_no_pmtu_disc ip_nonlocal_bind "
           "ip_unprivileged_port_start "
           "ipfrag_max_dist ipfrag_secret_interval ipfrag_time nexthop_compat_mode raw_l3mdev_accept udp_child_hash_entries "
           "udp_early_demux udp_hash_entries udp_l3mdev_accept udp_rmem_min udp_wmem_min xfrm4_gc_thresh",
           of_numbers(1)},
    KeyRow{"ipv4",
           "tcp_abort_on_overflow tcp_adv_win_scale tcp_app_win tcp_autocorking tcp_backlog_ack_defer tcp_base_mss "
           "tcp_challenge_ack_limit tcp_child_ehash_entries tcp_comp_sack_nr tcp_comp_sack_rtt_percent tcp_dsack "
           "tcp_early_demux tcp_early_retrans "
           "tcp_ecn tcp_ecn_fallback tcp_ecn_option tcp_ecn_option_beacon tcp_ehash_entries tcp_fack tcp_fastopen "
           "tcp_fastopen_blackhole_timeout_sec tcp_fin_timeout tcp_frto tcp_fwmark_accept tcp_keepalive_intvl "
           "tcp_keepalive_probes tcp_keepalive_time tcp_l3mdev_accept tcp_limit_output_bytes tcp_low_latency tcp_max_orphans "
           "tcp_max_reordering tcp_max_syn_backlog tcp_max_tw_buckets tcp_migrate_req tcp_min_rtt_wlen tcp_min_snd_mss "
           "tcp_min_tso_segs tcp_moderate_rcvbuf tcp_mtu_probe_floor tcp_mtu_probing tcp_no_metrics_save "
           "tcp_no_ssthresh_metrics_save tcp_notsent_lowat tcp_orphan_retries tcp_pacing_ca_ratio tcp_pacing_ss_ratio "
           "tcp_pingpong_thresh tcp_plb_cong_thresh tcp_plb_enabled tcp_plb_idle_rehash_rounds tcp_plb_rehash_rounds "
           "tcp_plb_suspend_rto_sec tcp_probe_interval tcp_probe_threshold tcp_rcvbuf_low_rtt tcp_recovery tcp_reflect_tos "
           "tcp_reordering tcp_rx_skb_cache "
           "tcp_retrans_collapse tcp_retries1 tcp_retries2 tcp_rfc1337 tcp_rto_max_ms tcp_rto_min_us tcp_sack "
           "tcp_shrink_window tcp_slow_start_after_idle tcp_stdurg tcp_syn_linear_timeouts tcp_syn_retries tcp_synack_retries "
           "tcp_syncookies tcp_thin_linear_timeouts tcp_timestamps tcp_tso_rtt_log tcp_tso_win_divisor tcp_tw_reuse "
           "tcp_tx_skb_cache "
           "tcp_tw_reuse_delay tcp_window_scaling tcp_workaround_signed_windows",
           of_numbers(1)},
    KeyRow{"ipv6",
           "anycast_src_echo_reply auto_flowlabels bindv6only calipso_cache_bucket_size calipso_cache_enable "
           "fib_multipath_hash_fields fib_multipath_hash_policy fib_notify_on_flag_change flowlabel_consistency "
           "flowlabel_reflect flowlabel_state_ranges fwmark_reflect idgen_delay idgen_retries ioam6_id "
           "ip6frag_secret_interval ip6frag_time ip_nonlocal_bind max_dst_opts_length max_dst_opts_number max_hbh_length "
           "max_hbh_opts_number mld_max_msf mld_qrv seg6_flowlabel xfrm6_gc_thresh",
           of_numbers(1)},
    KeyRow{"ipv6/icmp", "echo_ignore_* error_anycast_as_unicast errors_extension_mask", of_numbers(1)},
    KeyRow{"ipv4/conf/* ipv6/conf/* ipv4/neigh/* ipv6/neigh/* ipv4/route ipv6/route", "*", of_numbers(1)},
    KeyRow{"mpls", "platform_labels default_ttl ip_ttl_propagate", of_numbers(1)},
    KeyRow{"mpls/conf/*", "input", of_numbers(1)},
    KeyRow{"mptcp",
           "add_addr_timeout add_addr_v6_port_drop_ts allow_join_initial_addr_port blackhole_timeout checksum_enabled "
           "close_timeout enabled pm_type "
           "stale_loss_cnt syn_retrans_before_tcp_fallback",
           of_numbers(1)},
    KeyRow{"netfilter", "nf_conntrack_* nf_flowtable_* nf_hooks_lwtunnel nf_log_all_netns", of_numbers(1)},
    KeyRow{"bridge", "bridge-nf-*", of_numbers(1)},
    KeyRow{"unix", "max_dgram_qlen", of_numbers(1)},

    // Several numbers, or numbers wider than 32 bits.
    KeyRow{"ipv4", "ip_local_port_range ping_group_range", of_numbers(2)},
    KeyRow{"ipv4", "tcp_rmem tcp_wmem", of_numbers(3)},
    KeyRow{"ipv4", "tcp_mem udp_mem", of_wide_numbers(3)},
    KeyRow{"ipv4", "ipfrag_high_thresh ipfrag_low_thresh tcp_comp_sack_delay_ns tcp_comp_sack_slack_ns", of_wide_numbers(1)},
    KeyRow{"ipv6", "ip6frag_high_thresh ip6frag_low_thresh ioam6_id_wide", of_wide_numbers(1)},
    KeyRow{"netfilter", "nf_conntrack_frag6_high_thresh nf_conntrack_frag6_low_thresh", of_wide_numbers(1)},
    KeyRow{"core", "bpf_jit_limit", of_wide_numbers(1)},
    KeyRow{"ipv4/vs", "sync_threshold", of_numbers(2)},
    KeyRow{"sctp", "sctp_mem", of_wide_numbers(3)},
    KeyRow{"sctp", "sctp_rmem sctp_wmem", of_numbers(3)},
    KeyRow{"tipc", "tipc_rmem", of_numbers(3)},

    // Numbers stored in ticks.
    KeyRow{"core", "txq_reselection_ms", of_one(ValueForm::milliseconds)},
    KeyRow{"ipv4", "icmp_ratelimit tcp_invalid_ratelimit", of_one(ValueForm::milliseconds)},
    KeyRow{"ipv6/icmp", "ratelimit", of_one(ValueForm::milliseconds)},
    KeyRow{"ipv4/route ipv6/route", "gc_min_interval_ms", of_one(ValueForm::milliseconds)},
    KeyRow{"ipv6/conf/*", "mldv1_unsolicited_report_interval mldv2_unsolicited_report_interval",
           of_one(ValueForm::milliseconds)},
    KeyRow{"ipv4/neigh/* ipv6/neigh/*", "base_reachable_time_ms interval_probe_time_ms retrans_time_ms",
           of_one(ValueForm::milliseconds)},
    KeyRow{"ipv4/neigh/* ipv6/neigh/*", "anycast_delay locktime proxy_delay", of_one(ValueForm::clock_ticks)},
    KeyRow{"ipv4/neigh/*", "retrans_time", of_one(ValueForm::clock_ticks)},

    // Other forms.
    KeyRow{"ipv4", "ip_local_reserved_ports", of_form(ValueForm::ports)},
    KeyRow{"ipv6/icmp", "ratemask", of_form(ValueForm::ports)},
    KeyRow{"core", "flow_limit_cpu_bitmap rps_default_mask", of_form(ValueForm::mask)},
    KeyRow{"ipv4", "tcp_allowed_congestion_control tcp_available_congestion_control tcp_available_ulp",
           of_form(ValueForm::names)},
    KeyRow{"mptcp", "available_path_managers available_schedulers", of_form(ValueForm::names)},
    KeyRow{"*", "tcp_fastopen_key", {.form = ValueForm::hex, .secret = true}},
    KeyRow{"*", "stable_secret", {.form = ValueForm::ipv6, .secret = true}},

    // Keys with restricted access or host-wide effect (kernel facts 29 and 30).
    KeyRow{"core", "bpf_jit_harden bpf_jit_kallsyms bpf_jit_limit", {.secret = true}},
    KeyRow{"ipv4/route ipv6/route", "flush", {.write_only = true}},
    KeyRow{"core", "netdev_rss_key", {.read_only = true}},
    KeyRow{
        "ipv4", "tcp_available_congestion_control tcp_available_ulp tcp_ehash_entries udp_hash_entries", {.read_only = true}},
    KeyRow{"ipv4/conf/* ipv6/conf/*", "mc_forwarding", {.read_only = true}},
    KeyRow{"mptcp", "available_path_managers available_schedulers", {.read_only = true}},
    KeyRow{"netfilter", "nf_conntrack_count", {.read_only = true}},
    KeyRow{"core", "rmem_default rmem_max wmem_default wmem_max", {.read_only_in_child = true}},
    KeyRow{"ipv4", "tcp_allowed_congestion_control", {.read_only_in_child = true}},
    KeyRow{"netfilter", "nf_conntrack_buckets nf_conntrack_expect_max nf_conntrack_max", {.read_only_in_child = true}},
    KeyRow{"netfilter", "nf_hooks_lwtunnel", {.global = true}},
    KeyRow{"core",
           "bpf_jit_enable bpf_jit_harden bpf_jit_kallsyms bpf_jit_limit busy_poll busy_read default_qdisc dev_weight "
           "dev_weight_rx_bias dev_weight_tx_bias devconf_inherit_init_net fb_tunnels_only_for_init_net flow_limit_cpu_bitmap "
           "flow_limit_table_len gro_normal_batch high_order_alloc_disable max_skb_frags mem_pcpu_rsv message_burst "
           "message_cost netdev_budget netdev_budget_usecs netdev_max_backlog netdev_rss_key netdev_tstamp_prequeue "
           "netdev_unregister_timeout_secs qdisc_max_burst rps_sock_flow_entries skb_defer_max warnings",
           {.host_only = true}},
    KeyRow{"ipv4",
           "cipso_cache_bucket_size cipso_cache_enable cipso_rbm_optfmt cipso_rbm_strictvalid fib_sync_mem inet_peer_maxttl "
           "inet_peer_minttl inet_peer_threshold ipfrag_secret_interval tcp_available_ulp tcp_low_latency tcp_max_orphans "
           "tcp_rx_skb_cache tcp_tx_skb_cache "
           "tcp_mem udp_mem",
           {.host_only = true}},
    KeyRow{"ipv4/route",
           "error_burst error_cost gc_elasticity gc_interval gc_min_interval gc_min_interval_ms gc_thresh gc_timeout max_size "
           "redirect_load redirect_number redirect_silence",
           {.host_only = true}},
    KeyRow{"ipv6",
           "calipso_cache_bucket_size calipso_cache_enable ip6frag_secret_interval mld_max_msf mld_qrv",
           {.host_only = true}},
    KeyRow{"ipv4/neigh/default ipv6/neigh/default", "*", {.host_only = true}},
    KeyRow{"netfilter", "nf_log_all_netns", {.host_only = true}},
    KeyRow{"ipv4", "icmp_msgs_burst icmp_msgs_per_sec", {.host_only_before = {6, 1}}},
    KeyRow{"ipv4/route", "min_adv_mss min_pmtu mtu_expires", {.host_only_before = {6, 1}}},
    KeyRow{"core", "optmem_max rmem_default rmem_max wmem_default wmem_max", {.host_only_before = {6, 12}}},
    KeyRow{"core", "tstamp_allow_data", {.host_only_before = {6, 18}}},

    // Tested with every key of Linux 6.18 (tests/netns/slow_writer_test.cpp); mpls, absent there, follows its source.
    KeyRow{"ipv4", "ip_forward", {.waits_for_rtnl = true}},
    KeyRow{"ipv4/conf/*", "forwarding", {.waits_for_rtnl = true}},
    KeyRow{"ipv6/conf/*",
           "addr_gen_mode disable_ipv6 disable_policy force_forwarding forwarding ignore_routes_with_linkdown proxy_ndp "
           "stable_secret",
           {.waits_for_rtnl = true}},
    KeyRow{"ipv6/conf/*", "proxy_ndp", {.rtnl_since = {6, 18}}},
    KeyRow{"mpls", "platform_labels", {.waits_for_rtnl = true}},

    // Kernel fact 14.
    KeyRow{"mptcp rds sctp", "*", {.needs_entering = true}},
};

/// Combines the traits of two rows; where both give a form, the second wins.
KeyTraits operator+(KeyTraits sum, const KeyTraits& more) {
  if (more.form != ValueForm::words) {
    sum.form = more.form;
    sum.numbers = more.numbers;
    sum.wide = more.wide;
  }
  sum.secret |= more.secret;
  sum.write_only |= more.write_only;
  sum.read_only |= more.read_only;
  sum.global |= more.global;
  sum.read_only_in_child |= more.read_only_in_child;
  sum.host_only |= more.host_only;
  sum.waits_for_rtnl |= more.waits_for_rtnl;
  sum.needs_entering |= more.needs_entering;
  sum.host_only_before = std::max(sum.host_only_before, more.host_only_before);
  sum.rtnl_since = std::max(sum.rtnl_since, more.rtnl_since);
  return sum;
}

/// Index of the table for lookups.
class TraitsIndex {
 public:
  TraitsIndex() {
    for (const KeyRow& row : key_table) {
      for (const std::string_view directory : words_in(row.directories)) {
        for (const std::string_view name : words_in(row.names)) add(directory, name, row.traits);
      }
    }
    for (auto& [path, traits] : exact_) {
      traits = of_globs(path) + traits;
    }
  }

  /// `path` has the table's `*` in the interface position.
  [[nodiscard]] KeyTraits of(const std::string& path) const {
    const auto found = exact_.find(path);
    return found != exact_.end() ? found->second : of_globs(path);
  }
  /// Traits that apply only to `all` or `default`.
  [[nodiscard]] KeyTraits of_globs(std::string_view path) const {
    KeyTraits sum;
    for (const auto& [prefix, traits] : below_) {
      if (path.starts_with(prefix)) sum = sum + traits;
    }
    for (const auto& [name, traits] : anywhere_) {
      if (path.ends_with(name)) sum = sum + traits;
    }
    return sum;
  }

 private:
  void add(std::string_view directory, std::string_view name, const KeyTraits& traits) {
    std::string path = (directory == "*" ? "" : std::string(directory)) + "/" + std::string(name);
    if (directory == "*") {
      anywhere_.emplace_back(std::move(path), traits);
    } else if (path.ends_with('*')) {
      path.pop_back();
      below_.emplace_back(std::move(path), traits);
    } else {
      exact_[path] = exact_[path] + traits;
    }
  }

  std::unordered_map<std::string, KeyTraits> exact_;
  std::vector<std::pair<std::string, KeyTraits>> below_;     // prefixes
  std::vector<std::pair<std::string, KeyTraits>> anywhere_;  // suffixes
};

}  // namespace

KeyTraits traits_of(std::string_view path) {
  const std::size_t last = path.rfind('/') + 1;
  if (has_glob(path.substr(last))) return {};
  static const TraitsIndex index;  // built from constants by the first call
  const std::string_view interface = interface_in(path);
  if (interface.empty()) return index.of(std::string(path));
  const auto begin = static_cast<std::size_t>(interface.data() - path.data());
  std::string general(path);
  general.replace(begin, interface.size(), "*");
  KeyTraits traits = index.of(general);
  if (interface == "default" || interface == "all") traits.host_only |= index.of_globs(path).host_only;
  return traits;
}

}  // namespace nswarden
