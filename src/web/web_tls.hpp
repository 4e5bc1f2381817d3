// SPDX-License-Identifier: Apache-2.0
// The mapping tls_server_config of a web configuration: its names are those of Go's crypto/tls, what comes out has OpenSSL's.
// Besides wrong values, combinations are refused that would protect less than they seem to. Pure, any thread.
#pragma once

#include <string>
#include <vector>

#include "web/web_config.hpp"

#include <nswarden/config/yaml_tree.hpp>

namespace nswarden {

/// Of no use when a problem was added.
WebTls read_web_tls(const YamlNode& node, const std::string& path, std::vector<Problem>& problems);

}  // namespace nswarden
