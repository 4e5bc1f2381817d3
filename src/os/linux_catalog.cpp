// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/linux_catalog.hpp>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "os/bound_netns.hpp"
#include "os/netns_entry.hpp"
#include "os/netns_scope.hpp"

namespace nswarden::os {

using core::BindResult;
using core::Entry;
using core::EntryKind;
using core::Error;
using core::Refusal;
using core::Result;

namespace {

bool is_dots(const char* name) { return std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0; }

/// A name as a directory can hold one; anything else must not be made part of a path.
bool is_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

/// False when the entry is gone by now.
bool fill(Entry& entry, int directory, const HomeNetns& home) {
  struct stat status {};
  if (stat_entry(directory, entry.name.c_str(), status) != 0) {
    // What hides itself, such as the mount of a dead FUSE server, is no netns; and no reason to miss its neighbours.
    entry.kind = EntryKind::other;
    return errno != ENOENT;
  }
  entry.kind = classify(status, home);
  if (entry.kind == EntryKind::nsfs) entry.inode = status.st_ino;
  return true;
}

}  // namespace

LinuxCatalog::LinuxCatalog(std::vector<std::string> directories)
    : shared_(std::make_shared<CatalogShared>()), directories_(std::move(directories)) {}

LinuxCatalog::~LinuxCatalog() = default;

Result<void> LinuxCatalog::may_enter() const { return NetnsScope::try_home(shared_->home); }

void LinuxCatalog::write_slowly_by(SlowWriter& writer) { shared_->slow_writer = &writer; }

bool LinuxCatalog::host_is_known() const {
  return shared_->init_inode.has_value() || shared_->home.inode() == fixed_init_inode;
}

SysctlFiles& LinuxCatalog::sysctl_files() const { return shared_->files; }

bool LinuxCatalog::is_host(std::uint64_t inode) const {
  // All are alive, as we and process 1 are in them, so that the inode is identity enough (kernel facts 4 and 7). Who may not see
  // process 1's still knows the first one of the kernel.
  return inode == shared_->home.inode() || inode == shared_->init_inode || inode == fixed_init_inode;
}

core::Listing LinuxCatalog::list(Detail detail) {
  core::Listing listing;
  listing.entries.reserve(last_count_ + last_count_ / 8);
  for (std::size_t i = 0; i < directories_.size(); ++i) {
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

Result<void> LinuxCatalog::list_one(std::uint16_t index, Detail detail, std::vector<Entry>& entries) const {
  // Opened anew each time: a held dirfd goes blind and makes an admin's umount fail (kernel fact 9).
  const Fd directory(::open(directories_[index].c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) {
    if (errno == ENOENT) return {};
    return Error{errno, "open netns directory"};
  }
  alignas(dirent64) std::array<char, std::size_t{32} << 10> batch;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  while (true) {
    const ssize_t size = ::getdents64(directory.get(), batch.data(), batch.size());
    // ENOENT: the directory was removed since it was opened.
    if (size == 0 || (size < 0 && errno == ENOENT)) return {};
    if (size < 0) return Error{errno, "read netns directory"};
    for (ssize_t at = 0; at < size;) {
      const auto* found = reinterpret_cast<const dirent64*>(batch.data() + at);
      at += found->d_reclen;
      if (is_dots(found->d_name)) continue;
      Entry& entry = entries.emplace_back();
      entry.directory = index;
      entry.name = found->d_name;
      if (detail == Detail::full && !fill(entry, directory.get(), shared_->home)) entries.pop_back();
    }
  }
}

std::string LinuxCatalog::path_of(std::uint16_t directory, std::string_view name) const {
  std::string path;
  path.reserve(directories_[directory].size() + 1 + name.size());
  return path.append(directories_[directory]).append(1, '/').append(name);
}

Entry LinuxCatalog::look(std::uint16_t directory, std::string_view name) {
  Entry entry{directory, std::string(name), EntryKind::absent, 0};
  if (!is_name(name)) return entry;
  const PathLook seen = look_at(path_of(directory, name), shared_->home);
  entry.kind = seen.kind;
  entry.inode = seen.inode;
  return entry;
}

BindResult LinuxCatalog::bind(std::uint16_t directory, std::string_view name, std::span<const Wish> keys, core::Tier tier) {
  if (!is_name(name)) return Refusal::absent;
  std::string path = path_of(directory, name);
  auto opened = open_netns(path, shared_->home);
  if (const auto* refusal = std::get_if<Refusal>(&opened)) return *refusal;
  if (const auto* error = std::get_if<Error>(&opened)) return *error;
  const OpenNetns& netns = *std::get_if<OpenNetns>(&opened);
  if (is_host(netns.inode)) return Refusal::host_netns;

  core::NetnsId id{cookie_of_file(netns.fd.get()).value_or(0), netns.inode};
  const Result<NetnsScope> scope = NetnsScope::enter(netns.fd.get(), shared_->home);
  if (!scope) return scope.error();
  if (id.cookie == 0) {
    const Result<std::uint64_t> cookie = cookie_inside();
    if (!cookie) return cookie.error();
    id.cookie = *cookie;
  }
  auto bound = std::make_unique<LinuxNetns>(shared_, std::move(path), id, keys, tier);
  if (const Result<void> done = bound->open_inside(); !done) return done.error();
  core::Binding binding{id, std::move(bound), 0};
  binding.fds = static_cast<const LinuxNetns&>(*binding.netns).fds();
  return binding;
}

}  // namespace nswarden::os
