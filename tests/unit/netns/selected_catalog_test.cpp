// SPDX-License-Identifier: Apache-2.0
#include <nswarden/netns/selected_catalog.hpp>

#include "catch.hpp"
#include "fake_kernel.hpp"

using namespace nswarden;

TEST_CASE("only the netns that were asked for are seen, but under all their names") {
  test::FakeKernel kernel;
  const auto netns = kernel.add("a", {});
  kernel.mount("b", netns);
  kernel.add("c", {});
  kernel.place("file", EntryKind::placeholder);
  SelectedCatalog selected(kernel, {"b", "/run/netns/nowhere", "file"});
  const auto entries = selected.list(NetnsCatalog::Detail::names).entries;
  REQUIRE(entries.size() == 2);
  CHECK(entries[0].name == "a");
  CHECK(entries[1].name == "b");
  CHECK(selected.not_found() == std::vector<std::string>{"/run/netns/nowhere", "file"});
}

TEST_CASE("without names all are seen") {
  test::FakeKernel kernel;
  kernel.add("a", {});
  kernel.add("b", {});
  SelectedCatalog selected(kernel, {});
  CHECK(selected.list(NetnsCatalog::Detail::full).entries.size() == 2);
  CHECK(selected.not_found().empty());
}
