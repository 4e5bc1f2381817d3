// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/inotify_buffer.hpp>

#include <sys/inotify.h>

#include <string>
#include <string_view>

#include "catch.hpp"

namespace nswarden {
namespace {

std::string event(std::uint32_t mask, std::string_view name_and_padding) {
  const inotify_event head{7, mask, 0, static_cast<std::uint32_t>(name_and_padding.size())};
  return std::string(reinterpret_cast<const char*>(&head), sizeof head).append(name_and_padding);
}

TEST_CASE("a buffer of events gives each with its name, whatever its padding") {
  using namespace std::string_view_literals;
  const std::string bytes = event(IN_CREATE, "a\0\0\0"sv) + event(IN_DELETE_SELF, ""sv) + event(IN_DELETE, "full"sv);
  InotifyBuffer buffer(bytes);
  const auto created = buffer.next();
  REQUIRE(created);
  CHECK(created->wd == 7);
  CHECK(created->mask == IN_CREATE);
  CHECK(created->name == "a");
  CHECK(buffer.next()->name.empty());
  CHECK(buffer.next()->name == "full");
  CHECK_FALSE(buffer.next());
}

TEST_CASE("a rest that is no whole event is left alone") {
  const std::string whole = event(IN_CREATE, "name");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    InotifyBuffer buffer(std::string_view(whole).substr(0, size));
    CHECK_FALSE(buffer.next());
  }
}

}  // namespace
}  // namespace nswarden
