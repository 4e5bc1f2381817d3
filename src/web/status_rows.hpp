// SPDX-License-Identifier: Apache-2.0
// What the tables of the status page share: cells for names, values and writers. Pure, any thread.
#pragma once

#include <string_view>

#include <nswarden/engine/report.hpp>
#include <nswarden/engine/writer.hpp>

#include "web/html.hpp"

namespace nswarden {

/// What a word is to say at a glance, beside the word itself.
enum class Mood { calm, good, warn, bad };

/// The name of a class of the stylesheet.
std::string_view mood_class(Mood mood);

Html& add_tag(Html& html, Mood mood, std::string_view word);
/// A dash that a screen reader leaves out.
Html& add_nothing(Html& html);
/// Links that filter; a dash when there is no name.
Html& add_netns(Html& html, std::string_view name);
Html& add_policy(Html& html, std::string_view name);
/// The netns of a setting, and below it its policy where there is one.
Html& add_place(Html& html, const Finding& finding);
/// A dash when it is empty.
Html& add_value(Html& html, std::string_view value);
Html& add_writer(Html& html, const Writer* writer);
/// A second line in a cell; nothing when it is empty.
Html& add_more(Html& html, std::string_view bytes);
/// Why a setting is not compliant, where its state alone does not say it; a second line.
Html& add_reason(Html& html, const Finding& finding);

}  // namespace nswarden
