#include "plugin/cli/terminal_text.h"

#include "tests/support/catch.h"

namespace stowage {
namespace {

TEST_CASE("PrintableText removes what could command a terminal", "[cli][terminal_text]") {
  const auto [text, want] = GENERATE(table<std::string, std::string>({
      {"plain", "plain"},
      {"two\nlines", "two\nlines"},
      {"a\tb", "a b"},
      {"\x1b[31mred\x1b[0m", "red"},
      {"\x1b[2J\x1b[1;1Hx", "x"},
      {"\x1b]0;title\x07x", "x"},
      {"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"},
      {"\x1bPdevice\x1b\\x", "x"},
      {"\x1b(Bx", "x"},
      {"\x1b"
       "7x",
       "x"},
      {"\x1b]never closed\nnext", "\nnext"},
      {"x\x1b", "x"},
      {"x\x1b[", "x"},
      {"x\x1b[31", "x"},
      {"\a\b\r\x7fx", "x"},
      {std::string("nul\0x", 5), "nulx"},
      {"\xC2\x9B"
       "31mx",
       "31mx"},                            // C1 CSI
      {"\xE2\x80\xAEx\xE2\x81\xA6", "x"},  // right-to-left override, isolate
      {"gr\xC3\xBC\xC3\x9F", "gr\xC3\xBC\xC3\x9F"},
      {"\xFFx", "\xEF\xBF\xBDx"},
      {"\xC3", "\xEF\xBF\xBD"},
      {"\xC0\xAFx", "\xEF\xBF\xBD\xEF\xBF\xBDx"},                  // over-long
      {"\xED\xA0\x80x", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDx"},  // surrogate
      {"", ""},
  }));
  CHECK(PrintableText(text) == want);
}

TEST_CASE("PrintableLine is one line", "[cli][terminal_text]") {
  CHECK(PrintableLine("  a\nb\n") == "a b");
  CHECK(PrintableLine("progress 1%\rprogress 2%\r\n") == "progress 1%progress 2%");
  CHECK(PrintableLine("\n").empty());
}

TEST_CASE("DisplayWidth counts columns, not bytes", "[cli][terminal_text]") {
  const auto [text, want] = GENERATE(table<std::string, size_t>({
      {"", 0},
      {"abc", 3},
      {"\xC3\xBC", 1},          // u with diaeresis
      {"u\xCC\x88", 1},         // the same with a combining mark
      {"\xE6\xBC\xA2", 2},      // a Han character
      {"\xF0\x9F\x93\xA6", 2},  // a parcel
      {"\xE2\x80\xA6", 1},      // ellipsis
  }));
  CHECK(DisplayWidth(text) == want);
}

TEST_CASE("FitToWidth cuts whole characters and shows it", "[cli][terminal_text]") {
  CHECK(FitToWidth("abcdef", 6) == "abcdef");
  CHECK(FitToWidth("abcdef", 5) == "abcd\xE2\x80\xA6");
  CHECK(FitToWidth("abcdef", 1) == "\xE2\x80\xA6");
  CHECK(FitToWidth("abcdef", 0).empty());
  // Two columns do not fit into the one that is left.
  CHECK(FitToWidth("a\xE6\xBC\xA2\xE6\xBC\xA2", 3) == "a\xE2\x80\xA6");
  CHECK(FitToWidth("\xC3\xBC\xC3\xBC\xC3\xBC", 2) == "\xC3\xBC\xE2\x80\xA6");
}

}  // namespace
}  // namespace stowage
