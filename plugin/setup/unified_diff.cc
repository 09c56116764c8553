#include "plugin/setup/unified_diff.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace stowage {
namespace {

constexpr size_t kContext = 3;

struct DiffLine {
  char kind;  // ' ', '-', '+'
  absl::string_view text;
};

std::vector<absl::string_view> LinesOf(absl::string_view text) {
  std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  if (lines.back().empty()) lines.pop_back();
  return lines;
}

// Longest common subsequence, table[i][j] for the suffixes from i and j on.
std::vector<DiffLine> Compare(const std::vector<absl::string_view>& a,
                              const std::vector<absl::string_view>& b) {
  std::vector<std::vector<size_t>> common(a.size() + 1, std::vector<size_t>(b.size() + 1, 0));
  for (size_t i = a.size(); i-- > 0;)
    for (size_t j = b.size(); j-- > 0;)
      common[i][j] =
          a[i] == b[j] ? common[i + 1][j + 1] + 1 : std::max(common[i + 1][j], common[i][j + 1]);
  std::vector<DiffLine> lines;
  size_t i = 0;
  size_t j = 0;
  while (i < a.size() || j < b.size()) {
    if (i < a.size() && j < b.size() && a[i] == b[j]) {
      lines.push_back({' ', a[i++]});
      ++j;
    } else if (i < a.size() && (j == b.size() || common[i + 1][j] >= common[i][j + 1])) {
      lines.push_back({'-', a[i++]});
    } else {
      lines.push_back({'+', b[j++]});
    }
  }
  return lines;
}

// Equal lines at both ends are not worth a table.
std::vector<DiffLine> Diff(std::vector<absl::string_view> a, std::vector<absl::string_view> b) {
  size_t head = 0;
  while (head < a.size() && head < b.size() && a[head] == b[head]) ++head;
  size_t tail = 0;
  while (tail < a.size() - head && tail < b.size() - head &&
         a[a.size() - 1 - tail] == b[b.size() - 1 - tail])
    ++tail;
  std::vector<DiffLine> lines;
  for (size_t i = 0; i < head; ++i) lines.push_back({' ', a[i]});
  const std::vector<DiffLine> middle =
      Compare({a.begin() + head, a.end() - tail}, {b.begin() + head, b.end() - tail});
  lines.insert(lines.end(), middle.begin(), middle.end());
  for (size_t i = a.size() - tail; i < a.size(); ++i) lines.push_back({' ', a[i]});
  return lines;
}

// "-first,count" of a side; a side without lines counts from the line before.
std::string Range(char sign, size_t first, size_t count) {
  return absl::StrCat(absl::string_view(&sign, 1), count == 0 ? first : first + 1, ",", count);
}

// Prints lines[begin, end) as one hunk. old_line, new_line: lines of each side before `begin`.
std::string Hunk(const std::vector<DiffLine>& lines, size_t begin, size_t end, size_t old_line,
                 size_t new_line) {
  std::string body;
  size_t old_count = 0;
  size_t new_count = 0;
  for (size_t i = begin; i < end; ++i) {
    old_count += lines[i].kind != '+';
    new_count += lines[i].kind != '-';
    absl::StrAppend(&body, absl::string_view(&lines[i].kind, 1), lines[i].text, "\n");
  }
  return absl::StrCat("@@ ", Range('-', old_line, old_count), " ", Range('+', new_line, new_count),
                      " @@\n", body);
}

}  // namespace

std::string UnifiedDiff(absl::string_view old_text, absl::string_view new_text,
                        absl::string_view old_name, absl::string_view new_name) {
  if (old_text == new_text) return "";
  const std::vector<DiffLine> lines = Diff(LinesOf(old_text), LinesOf(new_text));
  std::string result = absl::StrCat("--- ", old_name, "\n+++ ", new_name, "\n");
  size_t old_line = 0;
  size_t new_line = 0;
  for (size_t i = 0; i < lines.size();) {
    // The next difference, and where the hunk around it ends.
    size_t change = i;
    while (change < lines.size() && lines[change].kind == ' ') ++change;
    if (change == lines.size()) break;
    const size_t begin = std::max(i, change - std::min(change, kContext));
    size_t end = change;
    for (size_t j = change; j < lines.size() && j <= end + 2 * kContext + 1; ++j)
      if (lines[j].kind != ' ') end = j;
    end = std::min(end + 1 + kContext, lines.size());
    old_line += begin - i;
    new_line += begin - i;
    absl::StrAppend(&result, Hunk(lines, begin, end, old_line, new_line));
    for (i = begin; i < end; ++i) {
      old_line += lines[i].kind != '+';
      new_line += lines[i].kind != '-';
    }
  }
  return result;
}

}  // namespace stowage
