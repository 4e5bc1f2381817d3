// SPDX-License-Identifier: Apache-2.0
// The boundary: all that the reconciler asks of the kernel. The real one is netns/linux_catalog.hpp; tests use an in-memory
// fake (tests/support/fake_kernel.hpp) that journals what it was asked and is never cleverer than the kernel.
// One thread, the loop's, calls everything here. Nothing behind it keeps a netns alive between two calls (kernel fact 5).
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

/// What a directory entry is, as told without opening or entering it (kernel facts 1, 3, 6).
enum class EntryKind : std::uint8_t {
  absent,       ///< no such name
  placeholder,  ///< an empty plain file: a netns may be mounted over it at any moment, or was until now
  nsfs,         ///< something of nsfs is mounted here; of which kind is told by bind()
  other,        ///< never a netns: FIFO, directory, symbolic link, device, socket, a file with content
};

/// One name of one of the sources (netns_name.hpp).
struct Entry {
  std::uint16_t directory = 0;  ///< index into NetnsCatalog::sources()
  std::string name;             ///< bytes, as readdir gives them
  EntryKind kind = EntryKind::absent;
  std::uint64_t inode =
      0;  ///< of nsfs when kind is nsfs, else 0. No identity by itself (kernel fact 4), but two live netns never share one.
};

/// Identity of a netns for its whole life; never used twice until reboot (kernel fact 4).
struct NetnsId {
  std::uint64_t cookie = 0;  ///< 0 before Linux 5.14
  std::uint64_t inode = 0;
  friend bool operator==(const NetnsId&, const NetnsId&) = default;
};

/// How a bound netns holds its keys (kernel fact 20): by one fd each; by one directory fd for each family, entered for
/// each visit; or by nothing, opened anew for each visit because not even those fit the limit of open files.
enum class Tier : std::uint8_t { held, directories, transient };

struct Reading {
  enum class Status : std::uint8_t {
    value,       ///< `bytes` is what the kernel printed
    missing,     ///< no such key in this netns when it was last looked for
    vanished,    ///< the key was there: now it or the whole netns is gone (ENOENT); bind again to tell which
    unreadable,  ///< `error` says why: EACCES, EPERM, EIO, ...
  };
  Status status = Status::missing;
  int error = 0;
  std::string_view bytes;  ///< valid until the next call on any netns of the catalog
};

/// A key that a netns is bound with.
struct Wish {
  const Key* key = nullptr;
  bool writable = false;
};

class BoundNetns {
 public:
  virtual ~BoundNetns() = default;
  BoundNetns() = default;
  BoundNetns(const BoundNetns&) = delete;
  BoundNetns& operator=(const BoundNetns&) = delete;

  /// One Reading for each key of bind(), in that order, valid until the next call on any netns of the catalog. An Error
  /// (ESTALE) means that its name no longer leads to this netns: drop it and bind again.
  virtual Result<std::span<const Reading>> read() = 0;

  enum class Write : std::uint8_t {
    done,
    handed_over,  ///< it may wait long for a lock of the kernel, so another thread makes it; Reconciler::written() tells the end
  };
  /// Writes the whole value in one call. Success only means that the kernel took it: what it stored is told by read()
  /// (kernel fact 28). EACCES and EROFS also stand for a key that could only be opened for reading.
  /// EAGAIN: too much is handed over already; nothing was written, and it can be asked for again soon.
  virtual Result<Write> write(std::size_t key, std::string_view value) = 0;

  /// Looks again for the keys that were missing. The number of keys that have appeared, or ESTALE as read() gives it.
  virtual Result<std::size_t> find_missing() = 0;

  /// From now on these keys, in this order: what is held of them stays as it is, the others are opened. `keys` outlives it, and
  /// the ones before outlive the call. ESTALE as read() gives it. After any error it has to be dropped.
  virtual Result<void> hold(std::span<const Wish> keys) = 0;

  /// The keys that any of these globs matches, by what is there now; each once, sorted. A name in the last component that has no
  /// glob is not looked for. ESTALE as read() gives it.
  virtual Result<std::vector<Key>> find(std::span<const KeyPattern* const> globs) = 0;
};

struct Binding {
  NetnsId id;
  std::unique_ptr<BoundNetns> netns;
  std::size_t fds = 0;      ///< that it holds
  bool links_told = false;  ///< changes of its interfaces will be told
};

/// Why an entry cannot be bound: expected states, no errors.
enum class Refusal : std::uint8_t {
  absent,       ///< the name is gone
  not_ready,    ///< a placeholder (kernel facts 1 and 3)
  not_a_netns,  ///< anything else, other kinds of namespace included
  host_netns,   ///< our own or init's (kernel fact 7)
};

/// What the sources hold, in any order. Those of the host, of processes, and of symbolic links that are followed always come with
/// kind and inode. A directory that is absent has no entries; a source that cannot be read is a failure, and nothing is known of
/// its names.
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

  /// Where its names come from; an Entry's `directory` is an index into these. Always the same.
  [[nodiscard]] virtual std::span<const NetnsSource> sources() const = 0;

  enum class Detail : std::uint8_t {
    names,  ///< one getdents for many: kind and inode stay unset
    full,   ///< one stat a name, as costly as reading a key
  };
  virtual Listing list(Detail detail) = 0;

  /// The entry as it is now, Detail::full.
  virtual Entry look(std::uint16_t directory, std::string_view name) = 0;

  /// Enters the netns once, opens `keys` (all for reading; for writing too where `writable`), and leaves. `keys` outlives the result.
  virtual BindResult bind(std::uint16_t directory, std::string_view name, std::span<const Wish> keys, Tier tier) = 0;
};

}  // namespace nswarden
