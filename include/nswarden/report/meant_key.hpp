// SPDX-License-Identifier: Apache-2.0
// What was meant by a key that no netns has. Asks the kernel for the names of keys in our own netns; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace nswarden {

/// `name` as a policy's key is shown: dotted, globs as they are. The same with the nearest name that there is in its directory; none
/// when nothing is near, or when our own netns has the very key. Keys of `default` stand for those of interfaces.
std::optional<std::string> meant_key(std::string_view name);

}  // namespace nswarden
