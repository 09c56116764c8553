#pragma once

// The only place that knows which Catch2 there is: Debian 12 has version 2, Debian 13 version 3.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif
