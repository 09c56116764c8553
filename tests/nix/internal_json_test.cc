#include "nix/internal_json.h"

#include "tests/support/catch.h"

namespace stowage {
namespace {

using Action = NixLogEvent::Action;

TEST_CASE("ParseNixLogLine reads each kind of event", "[nix][internal_json]") {
  const auto start = ParseNixLogLine(
      R"(@nix {"action":"start","id":115526030327813,"level":3,"type":105,"text":"building 'x'",)"
      R"("parent":0,"fields":["/nix/store/x.drv","",1,1]})");
  REQUIRE(start);
  CHECK(start->action == Action::kStart);
  CHECK(start->id == 115526030327813);
  CHECK(start->level == 3);
  CHECK(start->type == nix_activity::kBuild);
  CHECK(start->text == "building 'x'");
  CHECK(start->Text(0) == "/nix/store/x.drv");
  CHECK(start->Number(3) == 1);

  const auto result =
      ParseNixLogLine(R"(@nix {"action":"result","id":7,"type":105,"fields":[1,23,2,0]})");
  REQUIRE(result);
  CHECK(result->action == Action::kResult);
  CHECK(result->Number(1) == 23);

  const auto stop = ParseNixLogLine(R"(@nix {"action":"stop","id":7})");
  REQUIRE(stop);
  CHECK(stop->action == Action::kStop);
  CHECK(stop->id == 7);
}

TEST_CASE("ParseNixLogLine prefers raw_msg and takes colours away", "[nix][internal_json]") {
  const auto error = ParseNixLogLine(
      R"(@nix {"action":"msg","level":0,"msg":"\u001b[31;1merror:\u001b[0m long","raw_msg":"a '\u001b[35;1mb\u001b[0m'"})");
  REQUIRE(error);
  CHECK(error->level == 0);
  CHECK(error->text == "a 'b'");
  const auto message = ParseNixLogLine(R"(@nix {"action":"msg","level":3,"msg":"these 2"})");
  REQUIRE(message);
  CHECK(message->text == "these 2");
}

TEST_CASE("ParseNixLogLine takes anything else for no event", "[nix][internal_json]") {
  const std::string line =
      GENERATE("", "@nix", "@nix ", "@nix {", "@nix []", "@nix 1", "@nix {}", "warning: x",
               " @nix {\"action\":\"stop\"}", R"(@nix {"action":"unknown","id":1})",
               R"(@nix {"action":5})", "@nix {\"action\":\"msg\",\"msg\":\"\xff\"}");
  INFO(line);
  CHECK_FALSE(ParseNixLogLine(line));
}

TEST_CASE("ParseNixLogLine takes fields of a wrong type as missing", "[nix][internal_json]") {
  const auto event = ParseNixLogLine(
      R"(@nix {"action":"start","id":"x","level":null,"type":1.5,"text":3,"fields":[null,{"a":1},"t"]})");
  REQUIRE(event);
  CHECK(event->id == 0);
  CHECK(event->type == 0);
  CHECK(event->text.empty());
  CHECK(event->Number(0) == 0);
  CHECK(event->Text(2) == "t");
  CHECK(event->Number(2) == 0);
  CHECK(event->Text(3).empty());
  CHECK(ParseNixLogLine(R"(@nix {"action":"stop","fields":3})")->fields.empty());
}

TEST_CASE("PlainText takes escape sequences and control characters away", "[nix][internal_json]") {
  CHECK(PlainText("\x1b[1;31mred\x1b[0m") == "red");
  CHECK(PlainText("\x1b]0;title\aafter") == "after");
  CHECK(PlainText("a\rb\bc\x7f\x01\n\t") == "abc\n\t");
  CHECK(PlainText("\x1b") == "");
  CHECK(PlainText("\x1b[") == "");
  CHECK(PlainText("x\x1b[12") == "x");
  CHECK(PlainText("\x1bM!") == "!");
  CHECK(PlainText("\xc3\xa4") == "\xc3\xa4");
}

TEST_CASE("LineSplitter gives whole lines whatever the pieces", "[nix][internal_json]") {
  std::vector<std::string> lines;
  LineSplitter splitter([&](absl::string_view line) { lines.emplace_back(line); }, 5);
  splitter.Append("ab");
  splitter.Append("c\n\nde\nf");
  CHECK(lines == std::vector<std::string>{"abc", "", "de"});
  splitter.Append("123456789");
  splitter.Append("0\nlast");
  splitter.Finish();
  splitter.Finish();
  CHECK(lines == std::vector<std::string>{"abc", "", "de", "f1234", "last"});
}

}  // namespace
}  // namespace stowage
