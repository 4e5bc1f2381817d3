// SPDX-License-Identifier: Apache-2.0
#include <nswarden/base/sha256.hpp>
#include "catch.hpp"

using nswarden::Sha256;

TEST_CASE("a digest is that of sha256sum, of all parts in their order") {
  Sha256 digest;
  CHECK(digest.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  digest.add("a");
  digest.add("bc");
  CHECK(digest.hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(digest.hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(digest.base64() == "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
}
