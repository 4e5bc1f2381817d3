// SPDX-License-Identifier: Apache-2.0
// Kernel interface of the reconciler. netns/linux_catalog.hpp implements it; tests use an in-memory fake
// (tests/support/fake_kernel.hpp) that records each request and is never cleverer than the kernel.
// Loop thread only. Nothing behind this interface keeps a netns alive between two calls (kernel fact 5).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nswarden/base/result.hpp>
#include <nswarden/policy/key.hpp>
#include <nswarden/policy/key_pattern.hpp>
#include <nswarden/policy/netns_name.hpp>

namespace nswarden {

/// Kind of a directory entry, found without opening or entering it (kernel facts 1, 3, 6).
enum class EntryKind : std::uint8_t {
  absent,       ///< no such name
  placeholder,  ///< an empty regular file: a netns may be mounted over it at any moment, or was until now
  nsfs,         ///< an nsfs file is mounted here; bind() finds the kind of namespace
  other,        ///< never a netns: FIFO, directory, symbolic link, device, socket, a file with content
};

/// A name in one of the sources (netns_name.hpp).
struct Entry {
  std::uint16_t directory = 0;  ///< index into NetnsCatalog::sources()
  std::string name;             ///< bytes, as readdir gives them
  EntryKind kind = EntryKind::absent;
  std::uint64_t inode = 0;  ///< of the nsfs file, else 0. Not an identity (kernel fact 4), but two live netns never share one.
};

/// Identity of a netns for its whole life; never reused until reboot (kernel fact 4).
struct NetnsId {
  std::uint64_t cookie = 0;  ///< 0 before Linux 5.14
  std::uint64_t inode = 0;
  friend bool operator==(const NetnsId&, const NetnsId&) = default;
};

/// How a bound netns holds its keys (kernel fact 20): one fd per key; one directory fd per family, entered on each visit; or no
/// fds, because even directory fds would exceed the limit of open files, so each visit opens the keys anew.
enum class Tier : std::uint8_t { held, directories, transient };

struct Reading {
  enum class Status : std::uint8_t {
    value,       ///< `bytes` is the kernel's output
    missing,     ///< no such key in this netns at the last search
    vanished,    ///< the key existed, and now it or the whole netns is gone (ENOENT); bind again to distinguish
    unreadable,  ///< `error` is the errno: EACCES, EPERM, EIO, ...
  };
  Status status = Status::missing;
  int error = 0;
  std::string_view bytes;  ///< valid until the next call on any netns of the catalog
};

/// A key to bind a netns with.
struct KeyRequest {
  const Key* key = nullptr;
  bool writable = false;
};

class BoundNetns {
 public:
  virtual ~BoundNetns() = default;
  BoundNetns() = default;
  BoundNetns(const BoundNetns&) = delete;
  BoundNetns& operator=(const BoundNetns&) = delete;

  /// Returns one Reading per key of bind(), in that order, valid until the next call on any netns of the catalog. An Error
  /// (ESTALE) means that its name no longer leads to this netns: drop it and bind again.
  virtual Result<std::span<const Reading>> read() = 0;

  enum class Write : std::uint8_t {
    done,
    handed_over,  ///< another thread writes, as the kernel may wait long for a lock; Reconciler::written() reports the end
  };
  /// Writes the whole value in one call. Success only means that the kernel took it; read() returns the stored value (kernel
  /// fact 28). EACCES and EROFS also stand for a key that could only be opened for reading.
  /// EAGAIN: too many writes are handed over already; nothing was written, retry soon.
  virtual Result<Write> write(std::size_t key, std::string_view value) = 0;

  /// Searches again for missing keys. Returns the number of keys found, or ESTALE as read() does.
  virtual Result<std::size_t> find_missing() = 0;

  /// Replaces the keys by `keys`, in this order: keeps the fds of keys already held and opens the others. `keys` must outlive
  /// the binding, and the previous keys must outlive the call. ESTALE as in read(). After any error, drop the binding.
  virtual Result<void> hold(std::span<const KeyRequest> keys) = 0;

  /// Returns the existing keys that any of these globs matches, each once, sorted. Does not check whether a last component
  /// without a glob exists. ESTALE as in read().
  virtual Result<std::vector<Key>> find(std::span<const KeyPattern* const> globs) = 0;
};

struct Binding {
  NetnsId id;
  std::unique_ptr<BoundNetns> netns;
  std::size_t fds = 0;          ///< held by `netns`
  bool links_followed = false;  ///< changes of its interfaces will be reported
};

/// Why an entry cannot be bound: expected states, not errors.
enum class Refusal : std::uint8_t {
  absent,       ///< the name is gone
  not_ready,    ///< a placeholder (kernel facts 1 and 3)
  not_a_netns,  ///< anything else, including other kinds of namespace
  host_netns,   ///< the daemon's own or init's (kernel fact 7)
};

/// Contents of the sources, in any order. Entries of the host, of processes and of followed symbolic links always have kind and
/// inode. An absent directory has no entries. An unreadable source is a failure, and its names are unknown.
struct Listing {
  struct Failure {
    std::uint16_t directory = 0;
    Error error;
  };
  std::vector<Entry> entries;
  std::vector<Failure> failures;
};

using BindResult = std::variant<Binding, Refusal, Error>;

class NetnsCatalog {
 public:
  virtual ~NetnsCatalog() = default;
  NetnsCatalog() = default;
  NetnsCatalog(const NetnsCatalog&) = delete;
  NetnsCatalog& operator=(const NetnsCatalog&) = delete;

  /// Sources of the names; an Entry's `directory` is an index into these. Never changes.
  [[nodiscard]] virtual std::span<const NetnsSource> sources() const = 0;

  enum class Detail : std::uint8_t {
    names,  ///< one getdents for many names; kind and inode stay unset
    full,   ///< one stat per name, as costly as reading a key
  };
  virtual Listing list(Detail detail) = 0;

  /// Returns the present entry, with Detail::full.
  virtual Entry look_up(std::uint16_t directory, std::string_view name) = 0;

  /// Enters the netns once, opens `keys` (all for reading; for writing too where `writable`), and leaves. `keys` must outlive
  /// the result.
  virtual BindResult bind(std::uint16_t directory, std::string_view name, std::span<const KeyRequest> keys, Tier tier) = 0;
};

}  // namespace nswarden
