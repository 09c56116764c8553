#include "plugin/setup/hosts_toml.h"

#include <algorithm>
#include <set>

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

bool IsHostHeader(absl::string_view line) {
  return absl::StartsWith(absl::StripAsciiWhitespace(line), "[host");
}

// Where the table of a host begins. Only lines that open a table count: `server` may have the same
// URL. At the end for tables of another form, which have no order that could be told.
size_t PlaceOfHost(absl::string_view text, const std::string& url) {
  size_t begin = 0;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (IsHostHeader(line) && (absl::StrContains(line, absl::StrCat("\"", url, "\"")) ||
                               absl::StrContains(line, absl::StrCat("'", url, "'"))))
      return begin;
    begin += line.size() + 1;
  }
  return text.size();
}

// The hosts in the order of their tables in the text, which is that in which containerd asks them;
// a parsed table has no order.
std::vector<std::string> HostsInOrder(absl::string_view text, const nlohmann::json& hosts) {
  std::vector<std::pair<size_t, std::string>> places;
  for (const auto& [url, table] : hosts.items()) places.emplace_back(PlaceOfHost(text, url), url);
  std::sort(places.begin(), places.end());
  std::vector<std::string> urls;
  for (auto& [place, url] : places) urls.push_back(std::move(url));
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
  for (std::string& url : HostsInOrder(text, *hosts)) {
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
    if (i == 0 && old.hosts[i].pull && old.hosts[i].resolve) return std::string(text);
    return absl::FailedPreconditionError(
        absl::StrCat("it has [host.", StringToToml(old.hosts[i].url),
                     "], which must be the first and have the capabilities pull and resolve"));
  }
  std::string edited;
  bool inserted = false;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!inserted && IsHostHeader(line)) {
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
  if (result.ok() && result->server == old.server && result->hosts.size() == old.hosts.size() + 1 &&
      IsOurEndpoint(result->hosts[0].url, endpoint))
    return edited;
  return absl::FailedPreconditionError("our [host] table cannot be put before what is there");
}

}  // namespace stowage
