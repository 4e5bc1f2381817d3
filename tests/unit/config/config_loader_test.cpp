// SPDX-License-Identifier: Apache-2.0
// Configurations of several files, read from an in-memory file system.
#include "config/config_loader.hpp"

#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <nswarden/config/yaml_tree.hpp>

#include "catch.hpp"
#include "config_words.hpp"

using namespace nswarden;

namespace {

using test::check_starts;
using test::Strings;

/// Folders are the parents of files and the explicitly named ones.
class FilesInMemory : public FileReader {
 public:
  explicit FilesInMemory(std::map<std::string, std::string> files, Strings folders = {}, std::string unreadable = {})
      : files_(std::move(files)), folders_(std::move(folders)), unreadable_(std::move(unreadable)) {}

  std::variant<std::string, Problem> read(const std::string& path) override {
    note(path);
    if (path == unreadable_) return distrusted;
    const auto found = files_.find(path);
    if (found == files_.end()) return absent;
    ++reads;
    return found->second;
  }

  std::variant<Names, Problem> list(const std::string& path) override {
    note(path);
    if (path == unreadable_) return distrusted;
    if (files_.count(path) == 1) return Names{};
    Strings names;
    // An unsorted listing: reversed.
    for (auto file = files_.rbegin(); file != files_.rend(); ++file) {
      const std::string start = path + "/";
      if (file->first.starts_with(start)) names.push_back(file->first.substr(start.size()));
    }
    const bool is_folder = std::find(folders_.begin(), folders_.end(), path) != folders_.end();
    if (names.empty() && !is_folder) return absent;
    return names;
  }

  int reads = 0;
  Strings asked;  ///< unique paths

 private:
  void note(const std::string& path) {
    if (std::find(asked.begin(), asked.end(), path) == asked.end()) asked.push_back(path);
  }

  const Problem absent{{}, "No such file or directory"};
  const Problem distrusted{{}, "others may write it"};
  std::map<std::string, std::string> files_;
  Strings folders_;
  std::string unreadable_;
};

std::string policy_text(const std::string& name, const std::string& rest = "netns: x, sysctls: {net.ipv4.a: 1}") {
  return fmt::format("- {{name: {}, {}}}\n", name, rest);
}

std::string file_text(const std::string& policies, const std::string& more = "") {
  return "version: 1\n" + more + "policies:" + (policies.empty() ? " []\n" : "\n" + policies);
}

Config loaded(FileReader& source, const std::string& path = "/etc/n/main.yaml") {
  auto result = load_config(source, path);
  if (const auto* lines = std::get_if<Strings>(&result)) {
    for (const std::string& line : *lines) UNSCOPED_INFO(line);
  }
  REQUIRE(std::holds_alternative<Config>(result));
  return std::get<Config>(std::move(result));
}

Strings refused(FileReader& source, const std::string& path = "/etc/n/main.yaml") {
  auto result = load_config(source, path);
  return std::holds_alternative<Strings>(result) ? std::get<Strings>(result) : Strings{};
}

Strings names_of(const Config& config) {
  Strings names;
  for (const PolicyConfig& policy : config.policies) names.push_back(policy.name);
  return names;
}

}  // namespace

TEST_CASE("policies of included files come first, depth first and in byte order, and know their files") {
  FilesInMemory source(
      {{"/etc/n/main.yaml", file_text(policy_text("main"), "include: [conf.d, one.yaml]\nreconcile_interval: 5s\n")},
       {"/etc/n/conf.d/b.yaml", file_text(policy_text("b"))},
       {"/etc/n/conf.d/a.yml", file_text(policy_text("a"), "include: /srv/deep.yaml\n")},
       {"/etc/n/conf.d/README", "not read"},
       {"/etc/n/conf.d/.hidden.yaml", "not read"},
       {"/etc/n/conf.d/B.yaml", file_text(policy_text("capital"))},
       {"/srv/deep.yaml", file_text(policy_text("deep"))},
       {"/etc/n/one.yaml", file_text("")}});
  const Config config = loaded(source);
  CHECK(names_of(config) == Strings{"capital", "deep", "a", "b", "main"});
  CHECK(config.files == Strings{"/etc/n/main.yaml", "/etc/n/conf.d/B.yaml", "/etc/n/conf.d/a.yml", "/srv/deep.yaml",
                                "/etc/n/conf.d/b.yaml", "/etc/n/one.yaml"});
  CHECK(source.asked == Strings{"/etc/n/main.yaml", "/etc/n/conf.d", "/etc/n/conf.d/B.yaml", "/etc/n/conf.d/a.yml",
                                "/srv/deep.yaml", "/etc/n/conf.d/b.yaml", "/etc/n/one.yaml"});
  CHECK(config.reconcile_interval == std::chrono::seconds{5});
  CHECK(config.include.size() == 2);
  for (const PolicyConfig& policy : config.policies) {
    const std::uint16_t file = policy.position.file;
    CHECK(policy.sysctls.at(0).position.file == file);
    CHECK(policy.netns.at(0).text() == "x");
  }
  CHECK(config.files.at(config.policies[1].position.file) == "/srv/deep.yaml");
  CHECK(config.files.at(config.policies[4].position.file) == "/etc/n/main.yaml");
}

TEST_CASE("paths are relative to the file that names them, and an empty folder is fine, but watched") {
  FilesInMemory source({{"conf/main.yaml", file_text("", "include: [sub/x.yaml, empty]\n")},
                        {"conf/sub/x.yaml", file_text(policy_text("x", "netns: x, sysctl_files: k.conf"), "include: y.yaml\n")},
                        {"conf/sub/y.yaml", file_text(policy_text("y"))},
                        {"conf/sub/k.conf", "net.ipv4.k = 1\n"}},
                       {"conf/empty"});
  const Config config = loaded(source, "conf/main.yaml");
  CHECK(names_of(config) == Strings{"y", "x"});
  CHECK(source.asked.back() == "conf/empty");
  FilesInMemory beside({{"main.yaml", file_text("", "include: y.yaml\n")}, {"y.yaml", file_text(policy_text("y"))}});
  CHECK(names_of(loaded(beside, "main.yaml")) == Strings{"y"});
}

TEST_CASE("the mode of a file is that of the policies and included files that do not say") {
  FilesInMemory source(
      {{"/m", file_text(policy_text("main"), "mode: audit\ninclude: [a, b]\n")},
       {"/a", file_text(policy_text("inherits"))},
       {"/b", file_text(policy_text("says") + policy_text("own", "netns: x, mode: audit, observe: [net.ipv4.a]"),
                        "mode: enforce\n")}});
  const Config config = loaded(source, "/m");
  REQUIRE(names_of(config) == Strings{"inherits", "says", "own", "main"});
  CHECK(config.policies[0].mode == Mode::audit);
  CHECK(config.policies[1].mode == Mode::enforce);
  CHECK(config.policies[2].mode == Mode::audit);
  CHECK(config.policies[3].mode == Mode::audit);
}

TEST_CASE("of one key the later file wins, and the policy itself over all files") {
  FilesInMemory source(
      {{"/m",
        file_text(policy_text("p", "netns: x, interfaces: e, sysctl_files: [d, z], sysctls: {net.ipv4.c: 9, -net.ipv4.e: }") +
                  policy_text("q", "netns: x, sysctl_files: d/1.conf"))},
       {"/d/1.conf", "net.ipv4.a = 1\nnet.ipv4.b = 1\nnet.ipv4.c = 1\n-net.ipv4.e\n"},
       {"/d/2.conf", "-net/ipv4/b = 2\nnet.ipv4.conf.*.g = 2\n-net.ipv4.conf.lo.g\n"},
       {"/d/not-read", "x"},
       {"/z", "net.ipv4.a = 3\n"}});
  const Config config = loaded(source, "/m");
  Strings settings;
  for (const Setting& setting : config.policies[0].sysctls) {
    settings.push_back(fmt::format("{}={} {}:{}{}", setting.key.name(), setting.want.text(),
                                   config.files.at(setting.position.file), setting.position.line,
                                   setting.optional ? " optional" : ""));
  }
  CHECK(settings == Strings{"net.ipv4.b=2 /d/2.conf:1 optional", "net.ipv4.conf.*.g=2 /d/2.conf:2", "net.ipv4.a=3 /z:1",
                            "net.ipv4.c=9 /m:3"});
  Strings exclusions;
  for (const KeyPattern& key : config.policies[0].exclusions) exclusions.push_back(key.name());
  CHECK(exclusions == Strings{"net.ipv4.e", "net.ipv4.conf.lo.g"});
  CHECK(config.policies[1].sysctls.size() == 3);
  CHECK(config.policies[1].sysctls[0].position.file == config.policies[0].sysctls[0].position.file - 1);
  CHECK(source.reads == 4);  // a file used by two policies is read once
  CHECK(source.asked == Strings{"/m", "/d", "/d/1.conf", "/d/2.conf", "/z"});
}

TEST_CASE("problems of all files are told at once, each where it is") {
  FilesInMemory source(
      {{"/m", file_text(policy_text("p", "netns: x, sysctl_files: [k.conf, no.d]") + policy_text("b") +
                            policy_text("i", "netns: x, interfaces: e, sysctl_files: fine"),
                        "include: [a, gone.yaml, bad]\n")},
       {"/a", file_text(policy_text("b") + policy_text("c", "netns: (, sysctls: {net.ipv4.a: 1}"), "netns_dirs: [/x]\n")},
       {"/k.conf", "net.ipv4.a = 1\nnope\n"},
       {"/fine", "net.ipv4.a = 1\n"}},
      {}, "/bad");
  check_starts(refused(source, "/m"),
               {"/m:2:14: cannot read /gone.yaml: No such file or directory", "/m:2:25: cannot read /bad: others may write it",
                "/m:4:46: cannot read /no.d: No such file or directory",
                "/m:5:3: duplicate policy name \"b\", first in /a:4; rename one", "/m:6:23: i.interfaces has no effect",
                "/a:2:1: unknown field \"netns_dirs\"; known fields: version, include, mode, policies",
                "/a:5:20: policies[1].netns: not a valid RE2 pattern", "/k.conf:2:1: sysctl \"nope\": "});
}

TEST_CASE("a file that cannot be read itself is told without a place") {
  FilesInMemory source({}, {}, "/bad");
  CHECK(refused(source, "/gone\n") == Strings{"cannot read /gone\\x0a: No such file or directory"});
  CHECK(refused(source, "/bad") == Strings{"cannot read /bad: others may write it"});
}

TEST_CASE("the older form includes nothing, and is not included") {
  const std::string older = "- {netns_regex: x, daemon_startup_actions: [], inotify_actions: []}\n";
  FilesInMemory alone({{"/m", older}});
  CHECK(loaded(alone, "/m").form == Config::Form::older);
  FilesInMemory included({{"/m", file_text("", "include: o\n")}, {"/o", older}});
  check_starts(refused(included, "/m"),
               {"/o:1:1: cannot include a file of the older form; convert it with nswarden config convert"});
}

TEST_CASE("includes that end in themselves, go too deep or come twice are refused where they are") {
  FilesInMemory itself({{"/m", file_text("", "include: m\n")}});
  check_starts(refused(itself, "/m"), {"/m:2:10: /m includes itself"});
  FilesInMemory circle(
      {{"/m", file_text("", "include: a\n")}, {"/a", file_text("", "include: b\n")}, {"/b", file_text("", "include: a\n")}});
  check_starts(refused(circle, "/m"), {"/b:2:10: /a includes itself, directly or through other files"});
  FilesInMemory twice(
      {{"/m", file_text("", "include: [a, b]\n")}, {"/a", file_text("", "include: b\n")}, {"/b", file_text("")}});
  check_starts(refused(twice, "/m"), {"/m:2:14: /b is included twice"});
  // A different spelling is a different path; the depth limit ends the recursion.
  FilesInMemory spelt({{"/m", file_text("", "include: ./m\n")}, {"/./m", file_text("", "include: ././m\n")}});
  CHECK(refused(spelt, "/m").size() == 1);

  for (const std::size_t depth : {deepest_include, deepest_include + 1}) {
    std::map<std::string, std::string> files;
    for (std::size_t i = 0; i < depth; ++i)
      files[fmt::format("/{}", i)] = file_text("", fmt::format("include: \"{}\"\n", i + 1));
    files[fmt::format("/{}", depth)] = file_text(policy_text("deep"));
    FilesInMemory source(files);
    if (depth == deepest_include) {
      CHECK(names_of(loaded(source, "/0")) == Strings{"deep"});
    } else {
      check_starts(refused(source, "/0"), {"/8:2:10: cannot include /9: includes are nested deeper than 8 levels"});
    }
  }
}

TEST_CASE("there are at most so many files and bytes") {
  std::map<std::string, std::string> files{{"/m", file_text("", "include: d\n")}};
  for (std::size_t i = 1; i < max_config_files; ++i) files[fmt::format("/d/{:04}.yaml", i)] = file_text("");
  FilesInMemory most(files);
  CHECK(loaded(most, "/m").files.size() == max_config_files);
  files["/d/last.yaml"] = file_text("");
  FilesInMemory more(files);
  check_starts(refused(more, "/m"), {"/m:2:10: the configuration has more than 1000 files"});

  const std::string large = file_text("") + "#" + std::string(max_config_size - file_text("").size() - 2, 'x') + "\n";
  REQUIRE(large.size() == max_config_size);
  std::map<std::string, std::string> heavy{{"/m", file_text("", "include: d\n")}};
  for (int i = 0; i < 8; ++i) heavy[fmt::format("/d/{}.yaml", i)] = large;
  FilesInMemory too_heavy(heavy);
  check_starts(refused(too_heavy, "/m"), {"/m:2:10: the configuration is larger than 8 MiB in total"});
  heavy.erase("/d/7.yaml");
  FilesInMemory just_fits(heavy);
  CHECK(loaded(just_fits, "/m").files.size() == 8);
  FilesInMemory too_large({{"/m", large + "#\n"}});
  check_starts(refused(too_large, "/m"), {"/m:1:1: the file is larger than 1 MiB"});
}
