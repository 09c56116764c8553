#include "nix/internal_json.h"

#include <algorithm>
#include <utility>

#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"

namespace stowage {
namespace {

using nlohmann::json;

constexpr absl::string_view kMark = "@nix ";
constexpr char kEscape = '\x1b';

int64_t NumberIn(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

std::string TextIn(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string()
             ? PlainText(found->get_ref<const std::string&>())
             : std::string();
}

std::optional<NixLogEvent::Action> ActionOf(const json& object) {
  const auto found = object.find("action");
  if (found == object.end() || !found->is_string()) return std::nullopt;
  const std::string& action = found->get_ref<const std::string&>();
  if (action == "msg") return NixLogEvent::Action::kMessage;
  if (action == "start") return NixLogEvent::Action::kStart;
  if (action == "stop") return NixLogEvent::Action::kStop;
  if (action == "result") return NixLogEvent::Action::kResult;
  return std::nullopt;
}

std::vector<NixLogEvent::Field> FieldsIn(const json& object) {
  std::vector<NixLogEvent::Field> fields;
  const auto found = object.find("fields");
  if (found == object.end() || !found->is_array()) return fields;
  for (const json& field : *found) {
    if (field.is_string())
      fields.emplace_back(PlainText(field.get_ref<const std::string&>()));
    else
      fields.emplace_back(field.is_number_integer() ? field.get<int64_t>() : int64_t{0});
  }
  return fields;
}

// The end of the escape sequence that begins at text[i] (ECMA-48): a control sequence, an operating
// system command, or one character.
size_t EndOfEscape(absl::string_view text, size_t i) {
  if (++i >= text.size()) return i;
  if (text[i] == '[') {
    do ++i;
    while (i < text.size() && (text[i] < 0x40 || text[i] > 0x7e));
    return i + 1;
  }
  if (text[i] == ']') {
    while (i < text.size() && text[i] != '\a' && text[i] != kEscape) ++i;
    return i + 1;
  }
  return i + 1;
}

}  // namespace

int64_t NixLogEvent::Number(size_t index) const {
  const int64_t* number = index < fields.size() ? std::get_if<int64_t>(&fields[index]) : nullptr;
  return number == nullptr ? 0 : *number;
}

std::string NixLogEvent::Text(size_t index) const {
  const std::string* found =
      index < fields.size() ? std::get_if<std::string>(&fields[index]) : nullptr;
  return found == nullptr ? std::string() : *found;
}

std::optional<NixLogEvent> ParseNixLogLine(absl::string_view line) {
  if (!absl::ConsumePrefix(&line, kMark)) return std::nullopt;
  const json object = json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return std::nullopt;
  const std::optional<NixLogEvent::Action> action = ActionOf(object);
  if (!action) return std::nullopt;
  NixLogEvent event;
  event.action = *action;
  event.id = static_cast<uint64_t>(NumberIn(object, "id"));
  event.level = NumberIn(object, "level");
  event.type = NumberIn(object, "type");
  if (*action == NixLogEvent::Action::kMessage) {
    event.text = TextIn(object, "raw_msg");
    if (event.text.empty()) event.text = TextIn(object, "msg");
  } else {
    event.text = TextIn(object, "text");
  }
  event.fields = FieldsIn(object);
  return event;
}

std::string PlainText(absl::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    if (text[i] == kEscape) {
      i = EndOfEscape(text, i);
      continue;
    }
    const unsigned char c = static_cast<unsigned char>(text[i++]);
    if ((c >= 0x20 && c != 0x7f) || c == '\n' || c == '\t') plain.push_back(static_cast<char>(c));
  }
  return plain;
}

void LineSplitter::Append(absl::string_view bytes) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const absl::string_view piece = bytes.substr(0, end);
    partial_.append(piece.data(), std::min(piece.size(), max_line_bytes_ - partial_.size()));
    if (end == absl::string_view::npos) return;
    bytes.remove_prefix(end + 1);
    on_line_(partial_);
    partial_.clear();
  }
}

void LineSplitter::Finish() {
  if (!partial_.empty()) on_line_(std::exchange(partial_, {}));
}

}  // namespace stowage
