#include "plugin/cli/progress_display.h"

#include "plugin/cli/progress_model.h"
#include "plugin/cli/terminal_text.h"
#include "tests/support/catch.h"

namespace stowage {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'000'000);

v1::Progress Event(v1::Progress::Phase phase, uint64_t done, uint64_t total,
                   const std::string& message = "", const std::string& log_line = "") {
  v1::Progress progress;
  progress.set_phase(phase);
  progress.set_done(done);
  progress.set_total(total);
  progress.set_message(message);
  progress.set_log_line(log_line);
  return progress;
}

TEST_CASE("ProgressLines shows what is done, by phase", "[cli][progress_display]") {
  const auto [event, want] = GENERATE(table<v1::Progress, std::vector<std::string>>({
      {Event(v1::Progress::EVALUATE, 0, 0), {"evaluating  5s"}},
      {Event(v1::Progress::SOURCE, 0, 0, "nixos-24.11"), {"fetching source  nixos-24.11  5s"}},
      {Event(v1::Progress::REALISE, 2, 7, "git-2.44.0"), {"building  git-2.44.0  2 of 7  5s"}},
      {Event(v1::Progress::REALISE, 2, 7, "git-2.44.0", "  CC refs.c"),
       {"building  git-2.44.0  2 of 7  5s", "  CC refs.c"}},
      {Event(v1::Progress::REALISE, 3, 0), {"building  3  5s"}},
      {Event(v1::Progress::HASH, 1 << 20, 4 << 20), {"hashing layers  1.0 MiB of 4.0 MiB  5s"}},
  }));
  ProgressModel model(kStart);
  model.Update(event, kStart + absl::Seconds(5));
  CHECK(ProgressLines(model, 80, /*color=*/false, kStart + absl::Seconds(5)) == want);
}

TEST_CASE("ProgressLines has the hash rate since the phase began", "[cli][progress_display]") {
  ProgressModel model(kStart);
  model.Update(Event(v1::Progress::HASH, 10 << 20, 100 << 20), kStart);
  model.Update(Event(v1::Progress::HASH, 30 << 20, 100 << 20), kStart + absl::Seconds(2));
  CHECK(ProgressLines(model, 80, false, kStart + absl::Seconds(2))[0] ==
        "hashing layers  30.0 MiB of 100.0 MiB  10.0 MiB/s  2s");
  model.Update(Event(v1::Progress::RECORD, 0, 0), kStart + absl::Seconds(3));
  CHECK(ProgressLines(model, 80, false, kStart + absl::Seconds(3))[0] == "recording  3s");
}

TEST_CASE("ProgressLines never reaches the last column", "[cli][progress_display]") {
  ProgressModel model(kStart);
  model.Update(Event(v1::Progress::REALISE, 12, 345, "\xE6\xBC\xA2" + std::string(200, 'm'),
                     std::string(300, 'l')),
               kStart);
  const size_t columns = GENERATE(0u, 1u, 2u, 5u, 9u, 20u, 40u, 41u, 42u, 80u, 200u);
  CAPTURE(columns);
  for (const std::string& line : ProgressLines(model, columns, false, kStart))
    CHECK(DisplayWidth(line) <= (columns == 0 ? 0 : columns - 1));
  // Colours take no room.
  const auto plain = ProgressLines(model, columns, false, kStart);
  const auto colored = ProgressLines(model, columns, true, kStart);
  REQUIRE(colored.size() == plain.size());
  for (size_t i = 0; i < plain.size(); ++i) CHECK(PrintableText(colored[i]) == plain[i]);
}

TEST_CASE("ProgressLines keeps the count when there is no room for the message",
          "[cli][progress_display]") {
  ProgressModel model(kStart);
  model.Update(Event(v1::Progress::REALISE, 2, 7, "firefox-124.0.1"), kStart);
  CHECK(ProgressLines(model, 36, false, kStart)[0] ==
        "building  firefox-124.\xE2\x80\xA6  2 of 7  0s");
  CHECK(ProgressLines(model, 30, false, kStart)[0] == "building  2 of 7  0s");
}

TEST_CASE("Colours appear only when asked for", "[cli][progress_display]") {
  ProgressModel model(kStart);
  model.Update(Event(v1::Progress::REALISE, 0, 0, "m", "log"), kStart);
  CHECK(ProgressLines(model, 80, true, kStart) ==
        std::vector<std::string>{"\x1b[1mbuilding\x1b[0m  m  0s", "  \x1b[2mlog\x1b[0m"});
  for (const std::string& line : ProgressLines(model, 80, false, kStart))
    CHECK(line.find('\x1b') == std::string::npos);
}

TEST_CASE("Text of builders cannot command the terminal", "[cli][progress_display]") {
  ProgressModel model(kStart);
  model.Update(Event(v1::Progress::REALISE, 0, 0, "\x1b[2Jm\n", "\x1b]0;x\alog\r"), kStart);
  CHECK(ProgressLines(model, 80, false, kStart) ==
        std::vector<std::string>{"building  m  0s", "  log"});
}

TEST_CASE("ProgressModel keeps message and log line within a phase only",
          "[cli][progress_display]") {
  ProgressModel model(kStart);
  model.Update(Event(v1::Progress::REALISE, 0, 2, "git", "line"), kStart);
  model.Update(Event(v1::Progress::REALISE, 1, 2), kStart);
  CHECK(model.message() == "git");
  CHECK(model.log_line() == "line");
  model.Update(Event(v1::Progress::CLOSURE, 0, 0), kStart);
  CHECK(model.message().empty());
  CHECK(model.log_line().empty());
}

TEST_CASE("A phase of a newer daemon has a name", "[cli][progress_display]") {
  CHECK(PhaseName(static_cast<v1::Progress::Phase>(99)) == "working");
}

TEST_CASE("RepaintSequence replaces its lines and leaves the cursor visible below",
          "[cli][progress_display]") {
  CHECK(RepaintSequence(0, {"a", "b"}) == "\x1b[?25l\r\x1b[Ja\nb\n\x1b[?25h");
  CHECK(RepaintSequence(2, {"c"}) == "\x1b[?25l\r\x1b[2A\x1b[Jc\n\x1b[?25h");
  CHECK(RepaintSequence(1, {}) == "\x1b[?25l\r\x1b[1A\x1b[J\x1b[?25h");
  CHECK(RepaintSequence(0, {}).empty());
}

TEST_CASE("PlainProgress prints a line per phase and a few while it lasts",
          "[cli][progress_display]") {
  PlainProgress plain;
  ProgressModel model(kStart);
  const auto line_after = [&](const v1::Progress& event, int seconds) {
    const absl::Time now = kStart + absl::Seconds(seconds);
    model.Update(event, now);
    return plain.NextLine(model, now).value_or("-");
  };
  CHECK(line_after(Event(v1::Progress::EVALUATE, 0, 0), 0) == "evaluating");
  CHECK(line_after(Event(v1::Progress::EVALUATE, 0, 0, "x"), 9) == "-");
  CHECK(line_after(Event(v1::Progress::REALISE, 0, 3, "zlib"), 9) == "building 0 of 3: zlib");
  CHECK(line_after(Event(v1::Progress::REALISE, 1, 3, "curl"), 10) == "-");  // too soon
  CHECK(line_after(Event(v1::Progress::REALISE, 1, 3, "", "cc"), 11) == "building 1 of 3: curl");
  CHECK(line_after(Event(v1::Progress::REALISE, 1, 3, "", "cc"), 99) == "-");  // nothing done
  CHECK(line_after(Event(v1::Progress::RECORD, 0, 0), 99) == "recording");
}

}  // namespace
}  // namespace stowage
