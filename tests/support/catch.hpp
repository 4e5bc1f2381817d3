// SPDX-License-Identifier: Apache-2.0
// Catch2 2.13 (Debian 12) and 3.7 (Debian 13) behind one include (kernel fact 37).
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
