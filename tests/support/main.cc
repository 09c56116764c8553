// Catch2 version 2 needs a main of ours; version 3 brings its own (Catch2::Catch2WithMain).
#define CATCH_CONFIG_MAIN
#include "tests/support/catch.h"
