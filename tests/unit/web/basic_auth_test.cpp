// SPDX-License-Identifier: Apache-2.0
// Authentication verdicts and their cost. The hashes were made by htpasswd -nbBC 4 and by crypt(3) of Python.
#include "web/basic_auth.hpp"

#include <ctime>

#include <atomic>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "catch.hpp"

using nswarden::BasicAuth;
using nswarden::WebUser;

namespace {

constexpr std::string_view base64_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string base64(std::string_view bytes) {
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::string_view part = bytes.substr(at, 3);
    unsigned bits = 0;
    for (std::size_t i = 0; i < 3; ++i) bits = (bits << 8U) | (i < part.size() ? static_cast<unsigned char>(part[i]) : 0U);
    for (std::size_t i = 0; i < 4; ++i) text += i <= part.size() ? base64_digits[(bits >> (18 - 6 * i)) & 63U] : '=';
  }
  return text;
}

std::string basic(std::string_view credentials) { return "Basic " + base64(credentials); }

bool admits(BasicAuth& auth, std::string_view authorization) {
  return auth.judge(authorization) == BasicAuth::Verdict::admitted;
}

std::vector<WebUser> some_users() {
  return {
      {"alice", "$2y$04$q/zN5i2OBiijOh6fncSzp.403WdgjDPYv3BuL9ssqNOVKq.ZuuoFy"},              // secret
      {"bob", "$2y$04$GfNMa4ScmNRRAePlH2e3rOzFhL.DGklecZp3fkLvkUum8XeSWuK0C"},                // pass:word
      {"\xc3\xbcn\xc3\xaf", "$2y$04$ZsHS7wkwH1XjWEtr/NS9fOwbNE0stfdDZdPMBBIM3neS3Cv2Tv6Zq"},  // the password equals the name
      {"old", "$2a$05$Zz.Zz.Zz.Zz.Zz.Zz.Zz.uRDvIXm8XHDILWZszFU66dZZ8OALYu2."},                // secret
      {"new", "$2b$04$aaaaaaaaaaaaaaaaaaaaau/nCn7vVCwqYJerX0DCwClIsiqBXJIjC"},                // secret
      {"odd", "$2b$04$aaaaaaaaaaaaaaaaaaaaav/nCn7vVCwqYJerX0DCwClIsiqBXJIjC"},  // secret; spare bits in the salt's last letter
  };
}

TEST_CASE("whoever has the password of a user is admitted, and nobody else") {
  BasicAuth auth(some_users());
  CHECK(admits(auth, basic("alice:secret")));
  CHECK(admits(auth, basic("bob:pass:word")));
  CHECK(admits(auth, basic("\xc3\xbcn\xc3\xaf:\xc3\xbcn\xc3\xaf")));
  CHECK(admits(auth, basic("old:secret")));
  CHECK(admits(auth, basic("new:secret")));
  CHECK(admits(auth, basic("odd:secret")));
  for (const std::string_view wrong : {"alice:Secret", "alice:", "alice:secret ", "alice:pass:word", "bob:secret", "bob:pass",
                                       "Alice:secret", "carol:secret", ":", ":secret", "alice:secre"}) {
    CAPTURE(wrong);
    CHECK_FALSE(admits(auth, basic(wrong)));
    CHECK_FALSE(admits(auth, basic(wrong)));  // cached
  }
}

TEST_CASE("basic credentials are read strictly") {
  BasicAuth auth(some_users());
  CHECK(base64("alice:secret") == "YWxpY2U6c2VjcmV0");
  for (const std::string_view right : {"Basic YWxpY2U6c2VjcmV0", "basic YWxpY2U6c2VjcmV0", "BASIC   YWxpY2U6c2VjcmV0"}) {
    CAPTURE(right);
    CHECK(admits(auth, right));
  }
  const std::size_t checks = auth.checks();
  for (const std::string_view wrong :
       {"", "Basic", "Basic ", "BasicYWxpY2U6c2VjcmV0", "Bearer YWxpY2U6c2VjcmV0", "YWxpY2U6c2VjcmV0",
        " Basic YWxpY2U6c2VjcmV0", "Basic YWxpY2U6c2VjcmV", "Basic YWxpY2U6c2VjcmV0 ", "Basic YWxpY2U6c2Vj cmV0",
        "Basic YWxpY2U6c2VjcmV0====", "Basic YWxpY2U6c2VjcmV0=", "Basic =YWxpY2U6c2VjcmV0",
        "Basic ====", "Basic YWxpY2U=", "Basic YWxpY2U6c2VjcmV0,realm=x", "Basi YWxpY2U6c2VjcmV0", "Basicc YWxpY2U6c2VjcmV0"}) {
    CAPTURE(wrong);
    CHECK_FALSE(admits(auth, wrong));
  }
  // pass:word is "Ym9iOnBhc3M6d29yZA==". The second variant has nonzero unused bits at its end.
  CHECK(admits(auth, "Basic Ym9iOnBhc3M6d29yZA=="));
  CHECK_FALSE(admits(auth, "Basic Ym9iOnBhc3M6d29yZB=="));
  CHECK_FALSE(admits(auth, "Basic Ym9iOnBhc3M6d29yZA=A"));
  CHECK(auth.checks() == checks + 1);
}

TEST_CASE("control characters never reach a hash, for which a NUL would be the end") {
  BasicAuth auth(some_users());
  CHECK_FALSE(admits(auth, basic(std::string_view("alice:secret\0x", 14))));
  CHECK_FALSE(admits(auth, basic("alice:secret\n")));
  CHECK_FALSE(admits(auth, basic("alice:secret\x7f")));
  CHECK(auth.checks() == 0);
}

TEST_CASE("what was checked once costs no more, right or wrong") {
  BasicAuth auth(some_users());
  for (int i = 0; i < 100; ++i) {
    CHECK(admits(auth, basic("alice:secret")));
    CHECK_FALSE(admits(auth, basic("alice:wrong")));
    CHECK_FALSE(admits(auth, basic("carol:secret")));
  }
  CHECK(auth.checks() == 3);
}

TEST_CASE("wrong passwords are forgotten after many others, and never drive out right ones") {
  BasicAuth auth({some_users()[0]});
  CHECK(admits(auth, basic("alice:secret")));
  CHECK_FALSE(admits(auth, basic("alice:wrong")));
  CHECK(auth.checks() == 2);
  for (std::size_t i = 0; i < BasicAuth::max_remembered; ++i) CHECK_FALSE(admits(auth, basic("alice:" + std::to_string(i))));
  const std::size_t checks = auth.checks();
  CHECK(checks == 2 + BasicAuth::max_remembered);
  CHECK(admits(auth, basic("alice:secret")));
  CHECK(auth.checks() == checks);
  CHECK_FALSE(admits(auth, basic("alice:wrong")));
  CHECK(auth.checks() == checks + 1);
}

TEST_CASE("a user who is not known costs a check like the costliest who is") {
  const auto time_of = [](BasicAuth& auth, const std::string& credentials) {
    timespec before{};
    timespec after{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    CHECK_FALSE(admits(auth, basic(credentials)));
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    return static_cast<double>(after.tv_sec - before.tv_sec) + static_cast<double>(after.tv_nsec - before.tv_nsec) / 1e9;
  };
  // Cost 8 after cost 4: 16 times the work, about 15 ms.
  BasicAuth auth({some_users()[0], {"bob", "$2y$08$GfNMa4ScmNRRAePlH2e3rOzFhL.DGklecZp3fkLvkUum8XeSWuK0C"}});
  const double known = time_of(auth, "bob:wrong");
  const double unknown = time_of(auth, "carol:wrong");
  CHECK(unknown > known / 2);
  CHECK(unknown < known * 2);
  CHECK(auth.checks() == 2);
}

TEST_CASE("without users nobody is admitted") {
  BasicAuth auth({});
  CHECK_FALSE(admits(auth, basic("alice:secret")));
  CHECK_FALSE(admits(auth, basic(":")));
  CHECK_FALSE(admits(auth, ""));
}

TEST_CASE("many at once are checked one by one, few wait, and who is remembered waits for nobody") {
  // Cost 10: about 60 ms each.
  BasicAuth auth({some_users()[0], {"bob", "$2y$10$GfNMa4ScmNRRAePlH2e3rOzFhL.DGklecZp3fkLvkUum8XeSWuK0C"}});
  CHECK(admits(auth, basic("alice:secret")));
  constexpr std::size_t storm = 40;
  std::atomic<std::size_t> ready = 0;
  std::atomic<std::size_t> gone = 0;
  std::atomic<std::size_t> admitted = 0;
  std::atomic<std::size_t> busy = 0;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < storm; ++i) {
    threads.emplace_back([&auth, &ready, &gone, &admitted, &busy, i] {
      ++ready;
      while (ready < storm) std::this_thread::yield();
      const BasicAuth::Verdict verdict = auth.judge(basic("bob:" + std::to_string(i)));
      if (verdict == BasicAuth::Verdict::admitted) ++admitted;
      if (verdict == BasicAuth::Verdict::busy) ++busy;
      ++gone;
    });
  }
  // Repeat until no check ended during Alice's request: she did not wait for one.
  bool waited_for_nobody = false;
  while (!waited_for_nobody && gone < storm) {
    const std::size_t checks = auth.checks();
    CHECK(admits(auth, basic("alice:secret")));
    waited_for_nobody = ready == storm && gone < storm && auth.checks() == checks && checks > 1;
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(waited_for_nobody);
  CHECK(admitted == 0);
  CHECK(auth.checks() == 1 + storm - busy);
  CHECK(auth.checks() >= 2);
  CHECK(busy > 0);
}

TEST_CASE("the same credentials many times at once are checked once") {
  BasicAuth auth({some_users()[0]});
  std::atomic<std::size_t> admitted = 0;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < BasicAuth::max_checks; ++i) {
    threads.emplace_back([&auth, &admitted] {
      if (admits(auth, basic("alice:secret"))) ++admitted;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(admitted == BasicAuth::max_checks);
  CHECK(auth.checks() == 1);
}

TEST_CASE("who cannot be checked is told so, and not that he is wrong") {
  BasicAuth auth({some_users()[0]});
  CHECK(admits(auth, basic("alice:secret")));
  auth.close();
  CHECK(auth.judge(basic("alice:wrong")) == BasicAuth::Verdict::busy);
  CHECK(auth.judge("Basic rubbish") == BasicAuth::Verdict::refused);
  CHECK(admits(auth, basic("alice:secret")));  // cached
  CHECK(auth.checks() == 1);
}

}  // namespace
