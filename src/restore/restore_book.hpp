// SPDX-License-Identifier: Apache-2.0
// What restoring needs to know: the values that writes for policies with `restore` took the place of, by netns and key. A book is
// of one boot of the machine, since cookies of netns begin anew with each. What it says is only ever a reason to look: the kernel
// is asked before anything is put back (restore_netns.hpp). Pure; time is given.
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

/// What the policies in force make of the keys of one netns, as far as restoring goes.
class Claims {
 public:
  /// Refers to `resolution`.
  Claims(const Resolution& resolution, const PolicySet& policies);

  enum class Claim : std::uint8_t {
    none,       ///< no policy wants a value of it, or one that only audits and restores nothing: what was found is due
    restoring,  ///< a policy with `restore` wants a value of it: not yet
    taken,      ///< a policy without `restore` enforces it: its value is that policy's from now on, and is never put back
  };
  [[nodiscard]] Claim of(const Key& key) const;

 private:
  std::unordered_map<std::string_view, Claim> claims_;  // by path
};

/// The lines in which a book is kept in a file; for RestoreBook alone.
class RestoreText {
 public:
  using Fields = std::array<std::string, 5>;

  explicit RestoreText(std::string_view boot);
  void add(const Fields& fields);
  /// The whole text.
  [[nodiscard]] std::string end() &&;

  struct Content {
    std::string boot;
    std::vector<std::string_view> lines;  ///< of entries, without their newlines
  };
  static std::variant<Content, Problem> read(std::string_view text);
  /// None when these are not what add() makes.
  static std::optional<Fields> fields_of(std::string_view line);

 private:
  std::string text_;
  std::size_t lines_ = 0;
};

class RestoreBook {
 public:
  struct Entry {
    Key key;
    std::string policy;  ///< name of the one that wrote last
    std::string found;   ///< normalised; what was there before us
    std::string stored;  ///< normalised; what the kernel made of our last write
  };

  /// Of all that is kept, bytes; and of a text that is read.
  static constexpr std::size_t max_size = std::size_t{8} << 20;
  static constexpr std::size_t max_text_size = std::size_t{32} << 20;
  /// A netns that has not been seen for so long is forgotten.
  static constexpr std::chrono::minutes forgotten_after{10};

  /// A write of ours. The first one of a key says what was found; later ones only what is stored. That also holds when somebody
  /// else changed the value in between and the policy set it right again: what was there before us is what the first write found,
  /// and what an opponent of the policy wrote while it was in force is no state that anybody left behind. An entry that comes to
  /// store what was found is dropped: there is nothing to put back. So is what cannot be kept or put back: a netns without a cookie
  /// (before Linux 5.14), a secret that had no value. False when the book is full: that write will not be undone.
  bool note(std::uint64_t cookie, const Entry& write);
  /// All that is overwritten in the report, which was made under these policies. The writes that will not be undone.
  std::vector<Entry> note(const Report& report, const PolicySet& policies);
  void drop(std::uint64_t cookie, const Key& key);

  /// The entries of a netns that are due, in write order (key.hpp); what another policy has taken over is dropped.
  std::vector<Entry> due(std::uint64_t cookie, const Claims& claims);
  /// All of a netns, in write order.
  [[nodiscard]] std::vector<Entry> entries(std::uint64_t cookie) const;
  [[nodiscard]] const Entry* find(std::uint64_t cookie, const Key& key) const;
  [[nodiscard]] bool knows(std::uint64_t cookie) const { return netns_.find(cookie) != netns_.end(); }

  /// These netns live. Of the others it is not known whether they do: one may have no name for a moment, or not be to be entered.
  void saw_living(std::span<const std::uint64_t> cookies, Time now);

  [[nodiscard]] bool empty() const { return netns_.empty(); }
  [[nodiscard]] std::size_t size() const { return entries_; }
  /// Another one after each change of what text() gives.
  [[nodiscard]] std::uint64_t revision() const { return revision_; }

  /// For a file: lines of fields with tabs between them, in which every byte that is no printable ASCII stands as %XX; in the first
  /// line a version and the boot, in the last one a checksum.
  [[nodiscard]] std::string text(std::string_view boot) const;
  /// Exactly what text() gives, and nothing else. The book of another boot is empty.
  static std::variant<RestoreBook, Problem> parse(std::string_view text, std::string_view boot);

 private:
  struct Netns {
    std::map<Key, Entry> entries;
    std::optional<Time> unseen_since;
  };
  [[nodiscard]] static std::size_t size_of(const Entry& entry);
  [[nodiscard]] std::string add_line(std::string_view line);

  std::map<std::uint64_t, Netns> netns_;  // by cookie; none without entries
  std::size_t entries_ = 0;
  std::size_t size_ = 0;  // bytes
  std::uint64_t revision_ = 0;
};

}  // namespace nswarden
