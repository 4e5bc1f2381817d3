// SPDX-License-Identifier: Apache-2.0
// The values replaced by writes for policies with `restore`, by netns and key. A book belongs to one boot of the machine, since
// cookies of netns start over with each. An entry is only a reason to check: restore_netns.hpp reads from the kernel before it
// restores anything. Pure; the caller passes the time.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include <nswarden/base/damping.hpp>
#include <nswarden/base/result.hpp>
#include <nswarden/policy/key.hpp>
#include <nswarden/policy/policy.hpp>

namespace nswarden {

struct Report;

/// How the present policies claim the keys of one netns, for restoring.
class Claims {
 public:
  /// Keeps references into `resolution`.
  Claims(const Resolution& resolution, const PolicySet& policies);

  enum class Claim : std::uint8_t {
    none,       ///< no policy sets it, or only one that audits without `restore`: the found value is due
    restoring,  ///< a policy with `restore` sets it: not due yet
    taken,      ///< a policy without `restore` enforces it: that policy owns its value, which is never restored
  };
  [[nodiscard]] Claim of(const Key& key) const;

 private:
  std::unordered_map<std::string_view, Claim> claims_;  // by path
};

/// The text format of a saved book; for RestoreBook alone.
class RestoreText {
 public:
  using Fields = std::array<std::string, 5>;

  explicit RestoreText(std::string_view boot);
  void add(const Fields& fields);
  /// Returns the whole text.
  [[nodiscard]] std::string end() &&;

  struct Content {
    std::string boot;
    std::vector<std::string_view> lines;  ///< of entries, without their newlines
  };
  static std::variant<Content, Problem> read(std::string_view text);
  /// nullopt for a line that add() does not make.
  static std::optional<Fields> fields_of(std::string_view line);

 private:
  std::string text_;
  std::size_t lines_ = 0;
};

class RestoreBook {
 public:
  struct Entry {
    Key key;
    std::string policy;  ///< name of the last policy that wrote
    std::string found;   ///< normalised; the value before the daemon's first write
    std::string stored;  ///< normalised; the kernel's value after the daemon's last write
  };

  /// Limits in bytes: of all entries, and of a text to parse.
  static constexpr std::size_t max_size = std::size_t{8} << 20;
  static constexpr std::size_t max_text_size = std::size_t{32} << 20;
  /// A netns not seen for this long is forgotten.
  static constexpr std::chrono::minutes forgotten_after{10};

  /// Records a write of the daemon. The first write of a key sets the found value; later ones only update the stored one. That
  /// also holds when another process changed the value in between and the policy repaired it: a value written against an active
  /// policy is not a state to return to.
  /// Drops an entry whose stored value equals the found one, since nothing is left to restore. Skips entries that cannot be
  /// kept or restored: a netns that was never bound (cookie 0), a secret that had no value. Returns false when the book is
  /// full: that write will not be undone.
  bool note(std::uint64_t cookie, const Entry& write);
  /// Records all overwritten values of a report made under `policies`. Returns the writes that will not be undone.
  std::vector<Entry> note(const Report& report, const PolicySet& policies);
  void drop(std::uint64_t cookie, const Key& key);

  /// Returns the due entries of a netns in write order (key.hpp). Drops entries that another policy has taken over.
  std::vector<Entry> due(std::uint64_t cookie, const Claims& claims);
  /// Returns all entries of a netns, in write order.
  [[nodiscard]] std::vector<Entry> entries(std::uint64_t cookie) const;
  [[nodiscard]] const Entry* find(std::uint64_t cookie, const Key& key) const;
  [[nodiscard]] bool knows(std::uint64_t cookie) const { return netns_.find(cookie) != netns_.end(); }

  /// These netns are alive. The others may be alive too: a netns may briefly have no name, or may be impossible to enter.
  void mark_alive(std::span<const std::uint64_t> cookies, Time now);

  [[nodiscard]] bool empty() const { return netns_.empty(); }
  [[nodiscard]] std::size_t size() const { return entries_; }
  /// Changes whenever the result of text() changes.
  [[nodiscard]] std::uint64_t revision() const { return revision_; }

  /// Text for a file: lines of tab-separated fields, with every byte that is not printable ASCII written as %XX. The first line
  /// has a version and the boot, the last line a checksum.
  [[nodiscard]] std::string text(std::string_view boot) const;
  /// Accepts only the exact output of text(). Returns an empty book for another boot.
  static std::variant<RestoreBook, Problem> parse(std::string_view text, std::string_view boot);

 private:
  struct Netns {
    std::map<Key, Entry> entries;
    std::optional<Time> unseen_since;
  };
  [[nodiscard]] static std::size_t size_of(const Entry& entry);
  [[nodiscard]] std::string add_line(std::string_view line);

  std::map<std::uint64_t, Netns> netns_;  // by cookie; never without entries
  std::size_t entries_ = 0;
  std::size_t size_ = 0;  // bytes
  std::uint64_t revision_ = 0;
};

}  // namespace nswarden
