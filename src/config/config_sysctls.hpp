// SPDX-License-Identifier: Apache-2.0
// Reads the fields of a policy that name keys, `sysctls` and `observe`. Appends every problem to the given list. Pure, any
// thread.
#pragma once

#include <vector>

#include <nswarden/config/yaml_fields.hpp>

namespace nswarden {

/// Reads `sysctls` into the settings and exclusions of `policy`; its other fields must already be read.
PolicyConfig with_sysctls(PolicyConfig policy, const YamlFields& fields);

/// Reads the field `observe`.
std::vector<Observation> read_observations(const YamlFields& fields);

}  // namespace nswarden
