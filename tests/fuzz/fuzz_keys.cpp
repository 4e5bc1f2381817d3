// SPDX-License-Identifier: Apache-2.0
// The input is one key as a policy writes it. What is accepted becomes a path below /proc/sys/net that is written as root.
#include <nswarden/core/key.hpp>

#include "oracle.hpp"

using namespace nswarden;
using core::Key;
using core::WriteRank;

namespace {

void check_path(std::string_view path) {
  fuzz::require(path.find('\0') == std::string_view::npos, "no NUL in a path", path);
  fuzz::require(path.find('/') != std::string_view::npos, "a path names more than a family", path);
  fuzz::require(!path.ends_with('/'), "a path ends with a name", path);
  for (std::string_view rest = path; !rest.empty();) {
    const std::string_view component = fuzz::next_part(rest, '/');
    fuzz::require(!component.empty() && component != "." && component != "..", "each component goes down", path);
  }
}

void check_reads_back(std::string_view spelling, const Key& key) {
  auto again = Key::parse(spelling);
  const Key* read = std::get_if<Key>(&again);
  fuzz::require(read != nullptr && *read == key, "a key is read back from what is shown of it", spelling);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::input(data, size);
  const auto parsed = Key::parse(text);
  if (const auto* refusal = std::get_if<std::string>(&parsed)) {
    fuzz::require(fuzz::is_one_line(*refusal), "a refusal is one line", *refusal);
    return 0;
  }
  const Key& key = *std::get_if<Key>(&parsed);
  fuzz::require(text.starts_with("net.") || text.starts_with("net/"), "only keys below net are accepted", text);
  check_path(key.path());
  check_reads_back(key.name(), key);
  check_reads_back("net/" + key.path(), key);
  fuzz::require(text == key.name() || text == "net/" + key.path(), "what is accepted is one of the two spellings", text);
  fuzz::require(key.names_interface() == (key.write_rank() == WriteRank::conf_interface), "ranks and interfaces agree", text);
  return 0;
}
