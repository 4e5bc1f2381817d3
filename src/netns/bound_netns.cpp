// SPDX-License-Identifier: Apache-2.0
#include "netns/bound_netns.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <nswarden/base/text.hpp>

namespace nswarden {

namespace {

bool is_refused(int error) { return error == EACCES || error == EPERM || error == EROFS; }

Result<LinuxNetns::Write> write_whole(int fd, std::string_view value) {
  // At offset 0 and in one call: a second write on a kept fd would be accepted and ignored (kernel fact 12). A short count
  // means that the kernel parsed the value in part; read() shows the stored value (kernel fact 28).
  if (::pwrite(fd, value.data(), value.size(), 0) < 0) return Error{errno, "write sysctl"};
  return LinuxNetns::Write::done;
}

}  // namespace

void ReadBuffer::start(std::size_t keys) {
  if (keys > readings_.size()) {
    const std::size_t room = std::max(keys, 2 * readings_.size());
    readings_.resize(room);
    slots_ = std::make_unique<char[]>(room * slot_size);
  }
  count_ = keys;
  long_values_.clear();
}

void ReadBuffer::read_long(Reading& reading, int fd) {
  // With a buffer that is too small, the kernel reports end of file or truncates the value (kernel fact 12).
  constexpr std::array<std::size_t, 2> sizes{4095, 131071};
  for (const std::size_t room : sizes) {
    auto bytes = std::make_unique<char[]>(room);
    const ssize_t size = ::pread(fd, bytes.get(), room, 0);
    if (size < 0) {
      reading = failed(errno);
      return;
    }
    const auto length = static_cast<std::size_t>(size);
    reading = {Reading::Status::value, 0, {bytes.get(), length}};
    if (length == 0) continue;
    if (length < room) {
      long_values_.push_back(std::move(bytes));
      return;
    }
    reading = {Reading::Status::unreadable, EFBIG, {}};
  }
  if (reading.status == Reading::Status::value) reading.bytes = {};
}

LinuxNetns::LinuxNetns(std::shared_ptr<CatalogShared> shared, NetnsPath path, NetnsId id,
                       std::span<const KeyRequest> key_requests, Tier tier)
    : shared_(std::move(shared)),
      path_(std::move(path)),
      id_(id),
      key_requests_(key_requests),
      slots_(key_requests.size()),
      files_(shared_->files, id.inode, key_requests.size()),
      tier_(tier) {
  prepare_slots();
}

void LinuxNetns::prepare_slots() {
  std::map<std::string_view, std::size_t> families;
  for (const KeyRequest& request : key_requests_) ++families[family_of(request.key->path())];
  enters_ = tier_ != Tier::held;
  for (std::size_t i = 0; i < key_requests_.size(); ++i) {
    slots_[i].needs_entering = key_requests_[i].key->needs_entering();
    slots_[i].only_of_family = families[family_of(key_requests_[i].key->path())] == 1;
    enters_ = enters_ || slots_[i].needs_entering;
  }
}

LinuxNetns::~LinuxNetns() {
  if (handed_over_) shared_->slow_writer->cancel(*handed_over_);
}

template <class Chosen>
Result<void> LinuxNetns::open_slots(Chosen chosen) {
  FamilyDirectories passing;
  FamilyDirectories& families = tier_ == Tier::directories ? families_ : passing;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (!chosen(i)) continue;
    if (const Result<void> opened = open_slot(i, families); !opened) return opened;
  }
  return {};
}

Result<void> LinuxNetns::open_inside() {
  const Result<void> opened = open_slots([](std::size_t) { return true; });
  // Without cookies, this directory proves the identity of a netns that no mount keeps, see enter().
  const bool is_mount = path_.links == Links::refuse;
  if (tier_ == Tier::transient && !is_mount && (id_.cookie & has_no_cookie) != 0) (void)families_.get(shared_->tree, "core");
  return opened;
}

std::size_t LinuxNetns::fds() const {
  const auto held = std::count_if(slots_.begin(), slots_.end(), [](const Slot& slot) { return static_cast<bool>(slot.fd); });
  return static_cast<std::size_t>(held) + families_.size() + globs_.size();
}

Result<Fd> LinuxNetns::open_key(std::size_t key, int flags, FamilyDirectories& families) {
  const std::string& path = key_requests_[key].key->path();
  const std::string_view family = family_of(path);
  const SysctlTree& tree = shared_->tree;
  // Each lookup directly below net/ costs time for every netns of the host (kernel fact 11). One lookup of a family serves all
  // its keys; a single key needs only one open.
  if (slots_[key].only_of_family && tier_ != Tier::directories) return tree.open_below(tree.root(), path.c_str(), flags);
  const Result<int> directory = families.get(tree, family);
  if (!directory) return directory.error();
  return tree.open_below(*directory, path.c_str() + family.size() + 1, flags);
}

Result<void> LinuxNetns::open_slot(std::size_t key, FamilyDirectories& families) {
  int read_error = 0;
  int write_error = 0;
  const bool writable = key_requests_[key].writable;
  Result<Fd> fd = open_key(key, writable ? O_RDWR : O_RDONLY, families);
  if (!fd && writable && is_refused(fd.error().code)) {
    write_error = fd.error().code;
    fd = open_key(key, O_RDONLY, families);
    if (!fd && is_refused(fd.error().code)) {
      read_error = fd.error().code;
      // Some files are write-only, such as route/flush (kernel fact 29).
      fd = open_key(key, O_WRONLY, families);
      if (fd) write_error = 0;
    }
  }
  if (!fd) {
    if (is_exhausted(fd.error().code)) return fd.error();
    read_error = fd.error().code;
  }
  if (fd) files_.opened(key, *fd);
  Slot& slot = slots_[key];
  slot.read_error = static_cast<std::int16_t>(read_error);
  slot.write_error = static_cast<std::int16_t>(write_error);
  slot.fd = fd && tier_ == Tier::held ? std::move(*fd) : Fd();
  refused_ = refused_ || is_refused_reading(slot);
  return {};
}

Result<NetnsScope> LinuxNetns::enter(Proof proof) const {
  auto opened = open_netns(path_, shared_->home);
  if (const auto* error = std::get_if<Error>(&opened)) return *error;
  const auto* netns = std::get_if<OpenNetns>(&opened);
  const Error stale{ESTALE, "find netns by name"};
  if (netns == nullptr || netns->inode != id_.inode) return stale;
  if (proof == Proof::inode) return NetnsScope::enter(netns->fd.get(), shared_->home);

  Result<NetnsScope> scope = NetnsScope::enter(netns->fd.get(), shared_->home);
  if (!scope) return scope;
  const Result<std::uint64_t> identity = identity_inside(*netns);
  if (!identity) return identity.error();
  if (*identity == id_.cookie) return scope;
  // Another birth may be of the same netns. A file of the netns that still lives proves that no other one has its inode number.
  if ((*identity & has_no_cookie) != 0 && holds_live_file()) return scope;
  return stale;
}

bool LinuxNetns::holds_live_file() const {
  const auto held = std::find_if(slots_.begin(), slots_.end(), [](const Slot& slot) { return static_cast<bool>(slot.fd); });
  const int fd = held != slots_.end() ? held->fd.get() : families_.any();
  struct stat status {};
  return fd >= 0 && ::fstat(fd, &status) == 0;
}

bool LinuxNetns::is_refused_reading(const Slot& slot) {
  // A held slot with a read error is write-only forever: reads need not walk its path again (kernel fact 11).
  return slot.read_error != 0 && slot.read_error != ENOENT && !slot.fd;
}

Reading LinuxNetns::unopened_reading(const Slot& slot) {
  if (slot.read_error == ENOENT) return {Reading::Status::missing, 0, {}};
  return {Reading::Status::unreadable, slot.read_error, {}};
}

void LinuxNetns::retry_refused() {
  // The other keys of this read need neither the name nor the netns. A slot that fails here is unchanged.
  const Result<NetnsScope> scope = enter(Proof::cookie);
  if (!scope) return;
  refused_ = false;
  FamilyDirectories passing;
  FamilyDirectories& families = tier_ == Tier::directories ? families_ : passing;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (is_refused_reading(slots_[i]) && !open_slot(i, families)) refused_ = true;
  }
}

Result<std::span<const Reading>> LinuxNetns::read() {
  if (refused_) retry_refused();
  ReadBuffer& buffer = shared_->buffer;
  buffer.start(slots_.size());
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    if (slot.read_error != 0) {
      buffer.set(i, unopened_reading(slot));
    } else if (slot.fd && !slot.needs_entering) {
      buffer.read(i, slot.fd.get());
    }
  }
  if (enters_) {
    if (const Result<void> done = read_inside(); !done) return done.error();
  }
  return buffer.readings();
}

Result<void> LinuxNetns::read_inside() {
  const Result<NetnsScope> scope = enter(tier_ == Tier::transient ? Proof::cookie : Proof::inode);
  if (!scope) return scope.error();
  ReadBuffer& buffer = shared_->buffer;
  FamilyDirectories passing;
  FamilyDirectories& families = tier_ == Tier::directories ? families_ : passing;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    if (slot.read_error != 0 || (slot.fd && !slot.needs_entering)) continue;
    if (slot.fd) {
      buffer.read(i, slot.fd.get());
      continue;
    }
    const Result<Fd> fd = open_key(i, O_RDONLY, families);
    if (fd) {
      files_.opened(i, *fd);
      buffer.read(i, fd->get());
    } else {
      if (is_exhausted(fd.error().code)) return fd.error();
      buffer.set(i, ReadBuffer::failed(fd.error().code));
    }
  }
  return {};
}

Result<LinuxNetns::Write> LinuxNetns::write(std::size_t key, std::string_view value) {
  const Slot& slot = slots_[key];
  if (slot.read_error == ENOENT) return Error{ENOENT, "open sysctl for writing"};
  if (shared_->files.has_unknown_inode(last_component(key_requests_[key].key->path()))) find_other_inode(key);
  if (slot.fd && slot.write_error == 0 && !slot.needs_entering) return put(key, slot.fd.get(), value);
  return write_inside(key, value);
}

Result<LinuxNetns::Write> LinuxNetns::write_inside(std::size_t key, std::string_view value) {
  Slot& slot = slots_[key];
  const bool opened = slot.fd && slot.write_error == 0;
  // A held family directory was opened inside; opening anything else by path needs the stronger proof.
  const bool by_path =
      tier_ == Tier::transient || (tier_ == Tier::held && !opened) || slot.write_error != 0 || slot.read_error != 0;
  const Result<NetnsScope> scope = enter(by_path ? Proof::cookie : Proof::inode);
  if (!scope) return scope.error();
  if (opened) return put(key, slot.fd.get(), value);
  FamilyDirectories passing;
  FamilyDirectories& families = tier_ == Tier::directories ? families_ : passing;
  if (tier_ == Tier::held && slot.write_error != 0) {
    // A key that was read-only at bind may be writable by now, as after a remount of /proc/sys. The new fd then serves both.
    Result<Fd> both = open_key(key, O_RDWR, families);
    if (both) {
      files_.opened(key, *both);
      slot.fd = std::move(*both);
      slot.read_error = slot.write_error = 0;
      return put(key, slot.fd.get(), value);
    }
    if (!is_refused(both.error().code)) return both.error();
  }
  const Result<Fd> fd = open_key(key, O_WRONLY, families);
  if (!fd) return fd.error();
  files_.found(key, *fd);
  return put(key, fd->get(), value);
}

Result<LinuxNetns::Write> LinuxNetns::put(std::size_t key, int fd, std::string_view value) {
  SlowWriter* const slow = shared_->slow_writer;
  if (slow == nullptr || !key_requests_[key].key->waits_for_rtnl()) return write_whole(fd, value);
  if (!slow->has_room()) return Error{EAGAIN, "queue sysctl write"};
  // A separate fd, because this netns may be unbound during the write.
  Fd file(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!file) return Error{errno, "queue sysctl write"};
  handed_over_ = slow->write(std::move(file), std::string(value), {id_.inode, static_cast<std::uint32_t>(key)});
  return Write::handed_over;
}

void LinuxNetns::find_other_inode(std::size_t key) {
  const Result<NetnsScope> scope = enter(Proof::cookie);
  if (!scope) return;
  // Opens the whole path again, because a directory in it can also have a second inode (kernel fact 16).
  const SysctlTree& tree = shared_->tree;
  const Result<Fd> file = tree.open_below(tree.root(), key_requests_[key].key->path().c_str(), O_PATH);
  if (file) files_.found(key, *file);
}

Result<std::size_t> LinuxNetns::find_missing() {
  const auto is_missing = [](const Slot& slot) { return slot.read_error == ENOENT; };
  const auto missing = std::count_if(slots_.begin(), slots_.end(), is_missing);
  if (missing == 0) return std::size_t{0};
  const Result<NetnsScope> scope = enter(Proof::cookie);
  if (!scope) return scope.error();
  const Result<void> opened = open_slots([&](std::size_t i) { return is_missing(slots_[i]); });
  if (!opened) return opened.error();
  return static_cast<std::size_t>(missing - std::count_if(slots_.begin(), slots_.end(), is_missing));
}

bool LinuxNetns::is_current(const Slot& slot, const Key& key) {
  if (slot.read_error != 0) return false;
  struct stat status {};
  return !slot.fd || !key.names_interface() || ::fstat(slot.fd.get(), &status) == 0;
}

Result<void> LinuxNetns::hold(std::span<const KeyRequest> keys) {
  if (handed_over_) shared_->slow_writer->cancel(*std::exchange(handed_over_, std::nullopt));
  std::unordered_map<std::string_view, std::size_t> known;
  for (std::size_t i = 0; i < key_requests_.size(); ++i) {
    if (is_current(slots_[i], *key_requests_[i].key)) known.emplace(key_requests_[i].key->path(), i);
  }
  std::vector<Slot> slots(keys.size());
  std::vector<std::size_t> from(keys.size(), RegisteredFiles::no_index);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto old = known.find(keys[i].key->path());
    if (old == known.end() || key_requests_[old->second].writable != keys[i].writable) continue;
    from[i] = old->second;
    slots[i] = std::move(slots_[old->second]);
  }
  files_.rearrange(from);
  slots_ = std::move(slots);
  key_requests_ = keys;
  prepare_slots();
  if (std::count(from.begin(), from.end(), RegisteredFiles::no_index) == 0) return {};
  const Result<NetnsScope> scope = enter(Proof::cookie);
  if (!scope) return scope.error();
  return open_slots([&from](std::size_t i) { return from[i] == RegisteredFiles::no_index; });
}

Result<std::vector<Key>> LinuxNetns::find(std::span<const KeyPattern* const> globs) {
  const Result<NetnsScope> scope = enter(Proof::cookie);
  if (!scope) return scope.error();
  auto found = globs_.find(shared_->tree, globs);
  if (tier_ == Tier::transient) globs_.close();
  return found;
}

}  // namespace nswarden
