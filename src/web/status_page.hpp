// SPDX-License-Identifier: Apache-2.0
// The status page: renders a snapshot as HTML. It needs no script and loads no resources. It escapes all external bytes,
// since names may be hostile. Pure, any thread.
#pragma once

#include <string>
#include <string_view>

#include <nswarden/base/build_info.hpp>
#include <nswarden/report/snapshot.hpp>
#include <nswarden/web/url.hpp>

namespace nswarden {

std::string status_page(const Snapshot& snapshot, const Filter& filter, std::string_view telemetry_path,
                        const BuildInfo& build);

/// The page's Content-Security-Policy header: allows its stylesheet by hash and forms to itself, and nothing else.
std::string status_content_policy();

/// The page's stylesheet. Colours are variables so that a test can compute their contrast in both modes.
inline constexpr char status_style[] = R"css(
:root {
  color-scheme: light dark;
  --page: #f4f5f7; --card: #ffffff; --line: #d8dde3;
  --ink: #1c2228; --dim: #59636d; --link: #0b57a4;
  --good: #15643a; --good-card: #e4f4ea; --good-line: #9fd3b3;
  --bad: #a31d2b; --bad-card: #fdecec; --bad-line: #eaaeb1;
  --warn: #734700; --warn-card: #fdf4da; --warn-line: #e3c77e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #101418; --card: #171c22; --line: #303841;
    --ink: #e3e8ec; --dim: #9fa9b4; --link: #8abcf4;
    --good: #74d191; --good-card: #14271c; --good-line: #2c5a3d;
    --bad: #ff9c96; --bad-card: #331a1c; --bad-line: #74373a;
    --warn: #e8c064; --warn-card: #2b2311; --warn-line: #62501f;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--ink); font: 14px/1.45 system-ui, "DejaVu Sans", sans-serif; }
header, main, footer { max-width: 1500px; margin: 0 auto; padding: 0 20px; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 20px; padding-top: 14px; padding-bottom: 10px; }
h1 { font-size: 18px; margin: 0; }
h2 { font-size: 15px; margin: 26px 0 6px; }
p { margin: 6px 0; }
a { color: var(--link); overflow-wrap: anywhere; text-underline-offset: 2px; text-decoration-thickness: 1px;
  text-decoration-color: color-mix(in srgb, currentColor 45%, transparent); }
a:hover { text-decoration-color: currentColor; }
a:focus-visible, .scroll:focus-visible, input:focus-visible, select:focus-visible, button:focus-visible {
  outline: 2px solid var(--link); outline-offset: 2px; }
nav ul { display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 0; padding: 0; list-style: none; }
code, .mono, time { font: 12.5px/1.45 ui-monospace, "DejaVu Sans Mono", monospace; }
code, .mono { white-space: pre-wrap; overflow-wrap: anywhere; }
bdi { white-space: pre-wrap; overflow-wrap: anywhere; }
time { white-space: nowrap; }
.dim, .day, .age, .none { color: var(--dim); }
.age { font-size: 12.5px; white-space: nowrap; }
h2 .dim { font-weight: normal; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.verdict { border: 1px solid var(--line); border-left-width: 5px; border-radius: 6px; background: var(--card); padding: 12px 16px 8px; }
.verdict h2 { font-size: 20px; line-height: 1.3; margin: 0 0 8px; }
.verdict.calm { border-left-color: var(--dim); }
.verdict.good { border-color: var(--good-line); border-left-color: var(--good); background: var(--good-card); }
.verdict.good h2 { color: var(--good); }
.verdict.bad { border-color: var(--bad-line); border-left-color: var(--bad); background: var(--bad-card); }
.verdict.bad h2 { color: var(--bad); }
.verdict.warn { border-color: var(--warn-line); border-left-color: var(--warn); background: var(--warn-card); }
.verdict.warn h2 { color: var(--warn); }
.counts { display: flex; flex-wrap: wrap; gap: 6px 28px; margin: 0 0 8px; }
.counts div { display: flex; flex-direction: column-reverse; }
.counts dt { font-size: 12.5px; }
.counts dd { margin: 0; font-size: 20px; line-height: 1.2; font-variant-numeric: tabular-nums; }
.notices { margin: 10px 0 0; padding: 0; list-style: none; }
.notices li { border: 1px solid var(--warn-line); border-left: 5px solid var(--warn); border-radius: 6px; background: var(--warn-card);
  color: var(--warn); padding: 6px 12px; margin-top: 6px; overflow-wrap: anywhere; }
.filter { display: flex; flex-wrap: wrap; align-items: end; gap: 8px 12px; margin: 16px 0 0; }
.filter label { display: flex; flex-direction: column; gap: 2px; font-size: 12.5px; color: var(--dim); min-width: 0; }
.filter input, .filter select, .filter button { font: inherit; font-size: 14px; color: var(--ink); background: var(--card);
  border: 1px solid var(--dim); border-radius: 4px; padding: 4px 8px; height: 32px; max-width: 100%; }
.filter input { width: 20rem; }
.filter input::placeholder { color: var(--dim); opacity: 1; }
.filter select { min-width: 10rem; max-width: 20rem; }
.filter button { padding: 4px 14px; cursor: pointer; }
.filtered { border: 1px solid var(--warn-line); border-radius: 6px; background: var(--warn-card); color: var(--warn);
  padding: 8px 12px; margin: 10px 0 0; overflow-wrap: anywhere; }
.scroll { position: relative; overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; background: var(--card); }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 5px 12px; border-top: 1px solid var(--line); font-weight: normal; }
thead th { border-top: 0; color: var(--dim); font-size: 12.5px; font-weight: 600; white-space: nowrap; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.c-netns { min-width: 12rem; max-width: 24rem; }
.c-netns > a > bdi { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 5; overflow: hidden;
  padding-top: 2px; }
.c-key { min-width: 13rem; max-width: 26rem; }
.c-value { min-width: 4rem; max-width: 14rem; }
.c-state, .c-when { min-width: 7rem; }
.c-time time { display: inline-flex; flex-direction: column-reverse; }
.c-writer, .c-why { min-width: 10rem; max-width: 24rem; overflow-wrap: anywhere; }
.c-why { font-size: 12.5px; }
.figures thead th:first-child { width: 40%; }
.more { display: block; font-size: 12.5px; color: var(--dim); overflow-wrap: anywhere; }
.more .mono, .more code { font-size: 12px; }
.tag { display: inline-block; border: 1px solid var(--line); border-radius: 4px; padding: 0 6px; font-size: 12.5px;
  white-space: nowrap; }
.tag.good { color: var(--good); background: var(--good-card); border-color: var(--good-line); }
.tag.bad { color: var(--bad); background: var(--bad-card); border-color: var(--bad-line); }
.tag.warn { color: var(--warn); background: var(--warn-card); border-color: var(--warn-line); }
tr[aria-current] > * { background: var(--warn-card); }
.facts { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 5px 16px; margin: 0; border: 1px solid var(--line);
  border-radius: 6px; background: var(--card); padding: 10px 12px; }
.facts dt { color: var(--dim); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
footer { color: var(--dim); padding-top: 20px; padding-bottom: 28px; font-size: 12.5px; }
@media (max-width: 640px) {
  header, main, footer { padding-left: 12px; padding-right: 12px; }
  th, td { padding: 5px 8px; }
  .counts { display: grid; grid-template-columns: repeat(3, 1fr); gap: 6px 12px; }
  .filter label { flex: 1 1 40%; }
  .filter input, .filter select { width: 100%; min-width: 0; max-width: 100%; }
  .c-netns { min-width: 8rem; max-width: 10rem; }
  .c-key { min-width: 9.75rem; max-width: 12rem; }
  .c-value { min-width: 5rem; }
}
)css";

}  // namespace nswarden
