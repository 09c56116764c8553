#include "plugin/registry/accept_encoding.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace stowage {
namespace {

constexpr int kFullQuality = 1000;

// "0", "0.8", "1.000" in thousandths; -1 for anything else (RFC 9110, 12.4.2).
int ParseQuality(absl::string_view text) {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return -1;
  if (text.size() > 1 && text[1] != '.') return -1;
  int value = (text[0] - '0') * kFullQuality;
  int weight = 100;
  for (const char c : text.substr(std::min<size_t>(2, text.size()))) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) return -1;
    value += (c - '0') * weight;
    weight /= 10;
  }
  return value <= kFullQuality ? value : -1;
}

// Quality of one list member; a malformed one counts as refused.
int QualityOf(const std::vector<absl::string_view>& parameters) {
  for (size_t i = 1; i < parameters.size(); ++i) {
    const absl::string_view parameter = absl::StripAsciiWhitespace(parameters[i]);
    if (!absl::StartsWithIgnoreCase(parameter, "q=")) continue;
    return std::max(0, ParseQuality(parameter.substr(2)));
  }
  return kFullQuality;
}

}  // namespace

ContentCoding ChooseContentCoding(absl::string_view accept_encoding) {
  int gzip = 0;
  int zstd = 0;
  int identity = 0;
  for (const absl::string_view member : absl::StrSplit(accept_encoding, ',')) {
    const std::vector<absl::string_view> parameters = absl::StrSplit(member, ';');
    const absl::string_view name = absl::StripAsciiWhitespace(parameters[0]);
    const int quality = QualityOf(parameters);
    if (absl::EqualsIgnoreCase(name, "gzip") || absl::EqualsIgnoreCase(name, "x-gzip")) {
      gzip = quality;
    } else if (absl::EqualsIgnoreCase(name, "zstd")) {
      zstd = quality;
    } else if (absl::EqualsIgnoreCase(name, "identity")) {
      identity = quality;
    }
  }
  if (std::max(gzip, zstd) == 0 || identity > std::max(gzip, zstd)) return ContentCoding::kIdentity;
  return zstd >= gzip ? ContentCoding::kZstd : ContentCoding::kGzip;
}

absl::string_view ContentCodingName(ContentCoding coding) {
  switch (coding) {
    case ContentCoding::kGzip:
      return "gzip";
    case ContentCoding::kZstd:
      return "zstd";
    case ContentCoding::kIdentity:
      break;
  }
  return "";
}

}  // namespace stowage
