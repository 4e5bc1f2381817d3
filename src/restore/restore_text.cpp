// SPDX-License-Identifier: Apache-2.0
#include "restore/restore_text.hpp"

#include <fmt/format.h>

#include <utility>

#include <nswarden/base/text.hpp>

namespace nswarden {
namespace {

constexpr std::string_view magic = "nswarden-restore ";
constexpr std::string_view version = "1";

bool needs_no_escape(char c) { return c > ' ' && c < '\x7f' && c != '%'; }

std::string book_text(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (const char c : bytes) {
    if (needs_no_escape(c)) {
      text += c;
    } else {
      text += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return text;
}

/// Of an upper-case hexadecimal digit; -1 for anything else.
int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// None for what book_text() does not make.
std::optional<std::string> unescaped(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (needs_no_escape(text[i])) {
      bytes += text[i];
      continue;
    }
    if (text[i] != '%' || text.size() - i < 3) return std::nullopt;
    const int high = digit(text[i + 1]);
    const int low = digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    const char byte = static_cast<char>(high * 16 + low);
    if (needs_no_escape(byte)) return std::nullopt;
    bytes += byte;
    i += 2;
  }
  return bytes;
}

/// FNV-1a: against accidents, not against those who may write the file.
std::uint64_t checksum(std::string_view text) {
  std::uint64_t sum = 0xcbf29ce484222325;
  for (const char c : text) sum = (sum ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return sum;
}

std::string last_line(std::string_view before, std::size_t lines) {
  return fmt::format("end {} {:016x}\n", lines, checksum(before));
}

/// Takes the next line off the front of `rest`, without its newline. Precondition: there is a newline.
std::string_view next_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return line;
}

}  // namespace

RestoreText::RestoreText(std::string_view boot) : text_(fmt::format("{}{} {}\n", magic, version, book_text(boot))) {}

void RestoreText::add(const Fields& fields) {
  std::string_view separator;
  for (const std::string& field : fields) {
    text_.append(separator).append(book_text(field));
    separator = "\t";
  }
  text_ += '\n';
  ++lines_;
}

std::string RestoreText::end() && {
  text_ += last_line(text_, lines_);
  return std::move(text_);
}

std::variant<RestoreText::Content, std::string> RestoreText::read(std::string_view text) {
  if (!text.starts_with(magic)) return "it is none of nswarden's books of what was found";
  if (!text.ends_with('\n')) return "its end is missing";
  std::string_view rest = text;
  std::string_view first = next_line(rest).substr(magic.size());
  const std::size_t space = first.find(' ');
  if (first.substr(0, space) != version) {
    return fmt::format("it has version {}, and this nswarden reads version {}", excerpt(first.substr(0, space)), version);
  }
  if (space == std::string_view::npos) return "it does not say of which boot it is";
  std::optional<std::string> boot = unescaped(first.substr(space + 1));
  if (!boot) return "the boot in its first line is damaged";
  if (rest.empty()) return "its end is missing";

  Content content{*std::move(boot), {}};
  const std::size_t before_last = text.substr(0, text.size() - 1).rfind('\n') + 1;
  while (rest.size() > text.size() - before_last) content.lines.push_back(next_line(rest));
  if (rest != last_line(text.substr(0, before_last), content.lines.size())) {
    return "its last line does not fit what is above it: it is damaged, or was not written to its end";
  }
  return content;
}

std::optional<RestoreText::Fields> RestoreText::fields_of(std::string_view line) {
  Fields fields;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const bool last = i + 1 == fields.size();
    const std::size_t tab = line.find('\t');
    if (last != (tab == std::string_view::npos)) return std::nullopt;
    auto field = unescaped(line.substr(0, tab));
    if (!field) return std::nullopt;
    fields[i] = *std::move(field);
    if (!last) line.remove_prefix(tab + 1);
  }
  return fields;
}

}  // namespace nswarden
