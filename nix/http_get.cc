#include "nix/http_get.h"

#include <curl/curl.h>

#include <algorithm>
#include <memory>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/annotate.h"
#include "base/file.h"

namespace stowage {
namespace {

constexpr long kMaxRedirects = 10;
constexpr long kConnectTimeoutSeconds = 20;
constexpr long kStallSeconds = 60;

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

struct CloseCurl {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};

// What the callbacks of one transfer share.
struct Transfer {
  const HttpGetOptions& options;
  const CallLimits& limits;
  HttpGetResult response;
  uint64_t received = 0;
  absl::Status error;
};

size_t OnBody(char* bytes, size_t, size_t size, void* user) noexcept {
  Transfer& transfer = *static_cast<Transfer*>(user);
  transfer.received += size;
  if (transfer.received > transfer.options.max_bytes)
    transfer.error = absl::ResourceExhaustedError(
        absl::StrCat("answer is longer than ", transfer.options.max_bytes, " bytes"));
  else if (transfer.options.body_fd >= 0)
    transfer.error =
        WriteAll(transfer.options.body_fd, absl::string_view(bytes, size), "the download");
  else
    transfer.response.body.append(bytes, size);
  return transfer.error.ok() ? size : 0;  // fewer than given ends the transfer
}

// Called by libcurl at least once a second.
int OnProgress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) noexcept {
  const Transfer& transfer = *static_cast<Transfer*>(user);
  return transfer.limits.stop.stop_requested() || absl::Now() >= transfer.limits.deadline;
}

void Configure(CURL* handle, const std::string& url, Transfer& transfer, char* error_text) {
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, transfer.options.follow_redirects ? 1L : 0L);
  curl_easy_setopt(handle, CURLOPT_MAXREDIRS, kMaxRedirects);
  curl_easy_setopt(handle, CURLOPT_NOBODY, transfer.options.head_only ? 1L : 0L);
  if (transfer.options.direct) curl_easy_setopt(handle, CURLOPT_PROXY, "");
  if (!transfer.options.ca_file.empty()) {
    curl_easy_setopt(handle, CURLOPT_CAINFO, transfer.options.ca_file.c_str());
    // Otherwise the system's authorities, where libcurl was built with their directory, go on.
    curl_easy_setopt(handle, CURLOPT_CAPATH, nullptr);
  }
  // "": every encoding that libcurl knows
  if (transfer.options.compressed) curl_easy_setopt(handle, CURLOPT_ACCEPT_ENCODING, "");
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);  // signals and threads do not go together
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "stowage");
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, kConnectTimeoutSeconds);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, kStallSeconds);
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, error_text);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, OnBody);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, OnProgress);
  curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &transfer);
}

absl::Status TransferError(CURLcode code, const Transfer& transfer, absl::string_view error_text) {
  if (!transfer.error.ok()) return transfer.error;
  if (transfer.limits.stop.stop_requested()) return absl::CancelledError("was cancelled");
  if (absl::Now() >= transfer.limits.deadline)
    return absl::DeadlineExceededError("did not end in time");
  return absl::UnavailableError(error_text.empty() ? curl_easy_strerror(code) : error_text);
}

}  // namespace

absl::StatusOr<HttpGetResult> HttpGet(const std::string& url, const HttpGetOptions& options,
                                      const CallLimits& limits) {
  static std::once_flag initialised;
  std::call_once(initialised, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  const std::unique_ptr<CURL, CloseCurl> handle(curl_easy_init());
  if (handle == nullptr) return absl::InternalError("libcurl: cannot make a handle");
  Transfer transfer{options, limits, {}, 0, {}};
  char error_text[CURL_ERROR_SIZE] = "";
  Configure(handle.get(), url, transfer, error_text);
  const std::unique_ptr<curl_slist, FreeList> headers(
      options.authorization.empty()
          ? nullptr
          : curl_slist_append(nullptr,
                              absl::StrCat("Authorization: ", options.authorization).c_str()));
  if (headers != nullptr) curl_easy_setopt(handle.get(), CURLOPT_HTTPHEADER, headers.get());
  if (const CURLcode code = curl_easy_perform(handle.get()); code != CURLE_OK)
    return Annotate(TransferError(code, transfer, error_text), absl::StrCat("get ", url));
  long status = 0;
  curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status);
  transfer.response.status = static_cast<int>(status);
  char* effective = nullptr;
  curl_easy_getinfo(handle.get(), CURLINFO_EFFECTIVE_URL, &effective);
  transfer.response.effective_url = effective == nullptr ? url : effective;
  return std::move(transfer.response);
}

}  // namespace stowage
