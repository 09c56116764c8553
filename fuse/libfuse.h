#pragma once

// libfuse's low-level API in the oldest dialect that we build with (Debian 12).
#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>
