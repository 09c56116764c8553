#include "plugin/cli/progress_reporter.h"

#include <sstream>

#include "tests/support/catch.h"

namespace stowage {
namespace {

v1::Progress Building() {
  v1::Progress progress;
  progress.set_phase(v1::Progress::REALISE);
  progress.set_message("git");
  return progress;
}

TEST_CASE("ProgressReporter is silent when told so", "[cli][progress_reporter]") {
  std::ostringstream out;
  {
    ProgressReporter reporter({.style = ProgressStyle::kNone}, out);
    reporter.OnProgress(Building());
    reporter.OnTick();
  }
  CHECK(out.str().empty());
}

TEST_CASE("ProgressReporter writes plain lines without a terminal", "[cli][progress_reporter]") {
  std::ostringstream out;
  {
    ProgressReporter reporter({.style = ProgressStyle::kPlain}, out);
    reporter.OnProgress(Building());
    reporter.OnTick();
  }
  CHECK(out.str() == "building: git\n");
}

TEST_CASE("ProgressReporter removes its lines when it goes", "[cli][progress_reporter]") {
  std::ostringstream out;
  {
    ProgressReporter reporter({.style = ProgressStyle::kRepaint}, out);
    reporter.OnProgress(Building());
    reporter.OnProgress(Building());  // at once again: not repainted
  }
  CHECK(out.str() ==
        "\x1b[?25l\r\x1b[Jbuilding  git  0s\n\x1b[?25h"
        "\x1b[?25l\r\x1b[1A\x1b[J\x1b[?25h");
}

TEST_CASE("ProgressReporter leaves a terminal alone that it never wrote to",
          "[cli][progress_reporter]") {
  std::ostringstream out;
  { ProgressReporter reporter({.style = ProgressStyle::kRepaint}, out); }
  CHECK(out.str().empty());
}

}  // namespace
}  // namespace stowage
