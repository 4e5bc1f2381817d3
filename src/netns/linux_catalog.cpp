// SPDX-License-Identifier: Apache-2.0
#include <nswarden/netns/linux_catalog.hpp>

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <nswarden/netns/link_watcher.hpp>
#include <nswarden/os/file.hpp>
#include <nswarden/os/procfs.hpp>
#include "netns/bound_netns.hpp"
#include "netns/netns_entry.hpp"
#include "netns/netns_scope.hpp"

namespace nswarden {

namespace {

/// Whether a directory entry can have this name; any other name must not become part of a path.
bool is_name(std::string_view name) {
  return !name.empty() && !is_dots(name) && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

/// False if the entry has been removed.
bool fill(Entry& entry, int directory, Links links, const HomeNetns& home) {
  struct stat status {};
  if (stat_entry(directory, entry.name.c_str(), links, status) != 0) {
    // An entry that cannot be examined, such as the mount of a dead FUSE server, is not a netns. The remaining entries are
    // still listed.
    entry.kind = EntryKind::other;
    if (errno != ENOENT) return true;
    return links == Links::follow && stat_entry(directory, entry.name.c_str(), Links::refuse, status) == 0;
  }
  entry.kind = classify(status, home);
  if (entry.kind == EntryKind::nsfs) entry.inode = status.st_ino;
  return true;
}

constexpr std::string_view host_name = "host";

}  // namespace

/// An open netns and its path.
struct LinuxCatalog::Found {
  OpenNetns netns;
  NetnsPath path;
};

LinuxCatalog::LinuxCatalog(std::vector<NetnsSource> sources, Links links)
    : shared_(std::make_shared<CatalogShared>()),
      sources_(std::move(sources)),
      links_(links),
      processes_(std::make_unique<ProcessNetns>()) {}

LinuxCatalog::LinuxCatalog(const std::vector<std::string>& directories)
    : LinuxCatalog(netns_sources(directories), Links::refuse) {
  enable_kinds({NameKind::entry});
}

LinuxCatalog::~LinuxCatalog() = default;

Result<void> LinuxCatalog::may_enter() const { return NetnsScope::try_home(shared_->home); }

void LinuxCatalog::set_slow_writer(SlowWriter& writer) { shared_->slow_writer = &writer; }

void LinuxCatalog::set_link_watcher(LinkWatcher* watcher) { link_watcher_ = watcher; }

void LinuxCatalog::enable_kinds(std::vector<NameKind> kinds) { kinds_ = std::move(kinds); }

bool LinuxCatalog::is_enabled(NameKind kind) const { return std::find(kinds_.begin(), kinds_.end(), kind) != kinds_.end(); }

bool LinuxCatalog::host_is_known() const {
  return shared_->init_inode.has_value() || shared_->home.inode() == fixed_init_inode;
}

SysctlFiles& LinuxCatalog::sysctl_files() const { return shared_->files; }

bool LinuxCatalog::is_host(std::uint64_t inode) const {
  // The daemon and process 1 keep these netns alive, so the inode is a sufficient identity (kernel facts 4 and 7). A daemon
  // that cannot see process 1's netns still knows the first netns of the kernel.
  return inode == shared_->home.inode() || inode == shared_->init_inode || inode == fixed_init_inode;
}

Result<NetnsPath> LinuxCatalog::host() const {
  // If the host's netns is unknown, it could be any other netns with processes.
  if (!host_is_known()) return Error{EACCES, "identify the host netns by /proc/1/ns/net"};
  if (shared_->init_inode.value_or(fixed_init_inode) == shared_->home.inode()) {
    return NetnsPath{"/proc/thread-self/ns/net", Links::follow};
  }
  return NetnsPath{in_procfs("1/ns/net"), Links::follow};
}

Listing LinuxCatalog::list(Detail detail) {
  Listing listing;
  listing.entries.reserve(last_count_ + last_count_ / 8);
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const auto index = static_cast<std::uint16_t>(i);
    const std::size_t before = listing.entries.size();
    if (const Result<void> done = list_one(index, detail, listing.entries); !done) {
      listing.entries.resize(before);
      listing.failures.push_back({index, done.error()});
    }
  }
  last_count_ = listing.entries.size();
  return listing;
}

Result<void> LinuxCatalog::list_one(std::uint16_t index, Detail detail, std::vector<Entry>& entries) {
  if (!is_enabled(kind_of(index))) return {};
  if (kind_of(index) == NameKind::entry) return list_directory(index, detail, entries);
  const Result<NetnsPath> host_path = host();
  if (!host_path) return host_path.error();
  if (kind_of(index) == NameKind::host) {
    Entry host = look_up(index, host_name);
    if (host.kind == EntryKind::nsfs) entries.push_back(std::move(host));
    return {};
  }
  const Result<std::vector<std::uint64_t>> inodes = processes_->scan();
  if (!inodes) return inodes.error();
  for (const std::uint64_t inode : *inodes) {
    if (!is_host(inode)) entries.push_back({index, ProcessNetns::name_of(inode), EntryKind::nsfs, inode});
  }
  return {};
}

Result<void> LinuxCatalog::list_directory(std::uint16_t index, Detail detail, std::vector<Entry>& entries) const {
  // Opened anew each time: a held dirfd goes blind and makes an admin's umount fail (kernel fact 9).
  const Fd directory = open_directory(sources_[index].directory);
  if (!directory && errno == ENOENT) return {};
  if (!directory) return Error{errno, "open netns directory"};
  Result<void> read = read_directory(directory.get(), "read netns directory", [&](const char* name, unsigned char type) {
    Entry& entry = entries.emplace_back();
    entry.directory = index;
    entry.name = name;
    const bool leads_on = links_ == Links::follow && type == DT_LNK;  // the target can change without a mount
    if (detail == Detail::names && !leads_on) return;
    if (!fill(entry, directory.get(), links_, shared_->home)) entries.pop_back();
  });
  // ENOENT: the directory was removed since it was opened.
  if (!read && read.error().code == ENOENT) return {};
  return read;
}

Result<std::vector<NetnsPath>> LinuxCatalog::paths_to(std::uint16_t source, std::string_view name) const {
  std::vector<NetnsPath> paths;
  const NameKind kind = kind_of(source);
  if (!is_enabled(kind)) return paths;
  if (kind == NameKind::entry) {
    if (is_name(name)) paths.push_back({std::string(sources_[source].directory).append(1, '/').append(name), links_});
    return paths;
  }
  Result<NetnsPath> host_path = host();
  if (!host_path) return host_path.error();
  if (kind == NameKind::process) return processes_->paths_of(name);
  if (name == host_name) paths.push_back(std::move(*host_path));
  return paths;
}

bool LinuxCatalog::is_named(std::uint16_t source, std::string_view name, std::uint64_t inode) const {
  return kind_of(source) != NameKind::process || inode == ProcessNetns::inode_of(name);
}

Entry LinuxCatalog::look_up(std::uint16_t directory, std::string_view name) {
  Entry entry{directory, std::string(name), EntryKind::absent, 0};
  const Result<std::vector<NetnsPath>> paths = paths_to(directory, name);
  if (!paths) return entry;
  for (const NetnsPath& path : *paths) {
    const PathEntry seen = inspect(path, shared_->home);
    if (!is_named(directory, name, seen.inode)) continue;
    entry.kind = seen.kind;
    entry.inode = seen.inode;
    break;
  }
  return entry;
}

/// Opens any netns there; the caller checks whether it may be entered.
LinuxCatalog::Opened LinuxCatalog::open(std::uint16_t source, std::string_view name) const {
  Result<std::vector<NetnsPath>> paths = paths_to(source, name);
  if (!paths) return paths.error();
  Opened result = Refusal::absent;
  for (NetnsPath& path : *paths) {
    auto opened = open_netns(path, shared_->home);
    if (auto* netns = std::get_if<OpenNetns>(&opened)) {
      if (is_named(source, name, netns->inode)) return Found{std::move(*netns), std::move(path)};
    } else if (const auto* error = std::get_if<Error>(&opened)) {
      result = *error;
    } else if (kind_of(source) == NameKind::entry) {
      result = *std::get_if<Refusal>(&opened);
    }
  }
  return result;
}

BindResult LinuxCatalog::bind(std::uint16_t directory, std::string_view name, std::span<const KeyRequest> keys, Tier tier) {
  Opened opened = open(directory, name);
  if (const auto* refusal = std::get_if<Refusal>(&opened)) return *refusal;
  if (const auto* error = std::get_if<Error>(&opened)) return *error;
  const OpenNetns& netns = std::get_if<Found>(&opened)->netns;
  if (kind_of(directory) != NameKind::host && is_host(netns.inode)) return Refusal::host_netns;
  // Before any read, so that later changes are reported.
  const bool links_followed = link_watcher_ != nullptr && link_watcher_->follow(netns.fd.get(), netns.inode);

  NetnsId id{cookie_of_file(netns.fd.get()).value_or(0), netns.inode};
  const Result<NetnsScope> scope = NetnsScope::enter(netns.fd.get(), shared_->home);
  if (!scope) return scope.error();
  if (id.cookie == 0) {
    const Result<std::uint64_t> cookie = cookie_inside();
    if (!cookie) return cookie.error();
    id.cookie = *cookie;
  }
  auto bound = std::make_unique<LinuxNetns>(shared_, std::move(std::get_if<Found>(&opened)->path), id, keys, tier);
  if (const Result<void> done = bound->open_inside(); !done) return done.error();
  const std::size_t fds = bound->fds();
  return Binding{id, std::move(bound), fds, links_followed};
}

}  // namespace nswarden
