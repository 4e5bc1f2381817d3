// SPDX-License-Identifier: Apache-2.0
// The fields of a policy that name keys: `sysctls` and `observe`. Every problem goes to the list given. Pure, any thread.
#pragma once

#include <vector>

#include <nswarden/config/yaml_fields.hpp>

namespace nswarden {

/// Reads the field into the settings and exclusions of `policy`, whose other fields are read already.
PolicyConfig with_sysctls(PolicyConfig policy, const YamlFields& fields);

/// Reads the field `observe`.
std::vector<Observation> read_observations(const YamlFields& fields);

}  // namespace nswarden
