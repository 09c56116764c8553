#include "plugin/setup/hosts_toml.h"

#include <algorithm>
#include <optional>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "plugin/setup/toml_json.h"

namespace stowage {
namespace {

constexpr char kCapabilities[] = "capabilities = [\"pull\", \"resolve\"]\n";

std::string HostTable(absl::string_view endpoint) {
  return absl::StrCat("[host.", StringToToml(endpoint), "]\n  ", kCapabilities);
}

// What a line that opens a table says of `host`: {} for [host], {"URL": {}} for [host."URL"].
// Nothing for other lines.
std::optional<nlohmann::json> HostHeader(absl::string_view line) {
  if (!absl::StartsWith(absl::StripLeadingAsciiWhitespace(line), "[")) return std::nullopt;
  const auto values = ParseToml(line, "line");
  const nlohmann::json* const host = values.ok() ? FindIn(*values, {"host"}) : nullptr;
  return host != nullptr ? std::optional(*host) : std::nullopt;
}

// The hosts that have a header, in the order of these in the text; a parsed table has no order.
std::vector<std::string> HostsByHeader(absl::string_view text) {
  std::vector<std::string> urls;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const auto header = HostHeader(line);
    if (!header || !header->is_object()) continue;
    for (const auto& [url, table] : header->items())
      if (table == nlohmann::json::object()) urls.push_back(url);
  }
  return urls;
}

std::string Normalized(absl::string_view url) {
  std::string text = absl::StrReplaceAll(url, {{"://localhost:", "://127.0.0.1:"}});
  while (absl::EndsWith(text, "/")) text.pop_back();
  return std::string(absl::StripSuffix(text, "/v2"));
}

}  // namespace

absl::StatusOr<HostsFile> ParseHostsFile(absl::string_view text, absl::string_view name) {
  STOWAGE_ASSIGN_OR_RETURN(const nlohmann::json values, ParseToml(text, name));
  HostsFile file;
  file.server = StringIn(values, {"server"}, "");
  const nlohmann::json* const hosts = FindIn(values, {"host"});
  file.has_host_table = hosts != nullptr && hosts->is_object();
  if (!file.has_host_table) return file;
  std::vector<std::string> urls = HostsByHeader(text);
  std::vector<std::string> all;
  for (const auto& [url, table] : hosts->items()) all.push_back(url);
  if (!std::is_permutation(urls.begin(), urls.end(), all.begin(), all.end())) {
    file.order_known = all.size() == 1;
    urls = std::move(all);
  }
  for (std::string& url : urls) {
    HostsFile::Host host;
    if (FindIn(values, {"host", url, "capabilities"}) != nullptr) {
      const auto capabilities = StringsIn(values, {"host", url, "capabilities"});
      const std::set<std::string> set(capabilities.begin(), capabilities.end());
      host.pull = set.contains("pull");
      host.resolve = set.contains("resolve");
    }
    host.url = std::move(url);
    file.hosts.push_back(std::move(host));
  }
  return file;
}

bool IsOurEndpoint(absl::string_view url, absl::string_view endpoint) {
  return Normalized(url) == Normalized(endpoint);
}

bool IsOursAlone(const HostsFile& file, absl::string_view endpoint) {
  return IsOurEndpoint(file.server, endpoint) && !file.hosts.empty() &&
         std::all_of(file.hosts.begin(), file.hosts.end(), [&](const HostsFile::Host& host) {
           return IsOurEndpoint(host.url, endpoint) && host.pull && host.resolve;
         });
}

std::string HostsTextForOwnName(absl::string_view endpoint) {
  return absl::StrCat(
      "# Written by `stowage setup containerd`. Names of this host are Stowage's alone: no other\n"
      "# registry may ever be asked for them, so both server and [host] lead to it.\n",
      "server = ", StringToToml(endpoint), "\n", HostTable(endpoint));
}

std::string HostsTextBeforeRegistry(absl::string_view endpoint, absl::string_view server) {
  return absl::StrCat(
      "# Written by `stowage setup containerd --short-names`: Stowage is asked first, and answers\n"
      "# for nix/... only. While it is down, the server is asked for those names too.\n",
      "server = ", StringToToml(server), "\n", HostTable(endpoint));
}

absl::StatusOr<std::string> WithEndpointFirst(absl::string_view text, absl::string_view endpoint) {
  STOWAGE_ASSIGN_OR_RETURN(const HostsFile old, ParseHostsFile(text, "hosts.toml"));
  for (size_t i = 0; i < old.hosts.size(); ++i) {
    if (!IsOurEndpoint(old.hosts[i].url, endpoint)) continue;
    if (!old.order_known)
      return absl::FailedPreconditionError(
          "it has our endpoint, but not each host in a table with the header [host.\"URL\"], so it "
          "cannot be told who is asked first");
    if (i == 0 && old.hosts[i].pull && old.hosts[i].resolve) return std::string(text);
    return absl::FailedPreconditionError(
        absl::StrCat("it has [host.", StringToToml(old.hosts[i].url),
                     "], which must be the first and have the capabilities pull and resolve"));
  }
  std::string edited;
  bool inserted = false;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!inserted && HostHeader(line)) {
      absl::StrAppend(&edited, HostTable(endpoint), "\n");
      inserted = true;
    }
    absl::StrAppend(&edited, line, "\n");
  }
  edited.pop_back();  // the last piece has no newline behind it
  if (!inserted)
    absl::StrAppend(&edited, absl::EndsWith(edited, "\n") || edited.empty() ? "" : "\n",
                    HostTable(endpoint));
  const auto result = ParseHostsFile(edited, "hosts.toml");
  if (result.ok() && result->server == old.server && result->order_known &&
      result->hosts.size() == old.hosts.size() + 1 && IsOurEndpoint(result->hosts[0].url, endpoint))
    return edited;
  return absl::FailedPreconditionError("our [host] table cannot be put before what is there");
}

}  // namespace stowage
