#include "plugin/registry/http_message.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace stowage {

std::string HttpRequest::Field(absl::string_view name) const {
  std::string values;
  for (const HttpHeader& header : headers) {
    if (!absl::EqualsIgnoreCase(header.name, name)) continue;
    absl::StrAppend(&values, values.empty() ? "" : ", ", header.value);
  }
  return values;
}

SharedBytes SharedBytes::Of(std::string text) {
  auto owner = std::make_shared<const std::string>(std::move(text));
  const absl::string_view bytes = *owner;
  return {std::move(owner), bytes};
}

}  // namespace stowage
