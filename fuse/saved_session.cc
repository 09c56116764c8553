#include "fuse/saved_session.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace stowage {
namespace {

constexpr std::array<char, 8> kMagic = {'s', 't', 'o', 'w', 's', 'e', 's', 's'};
constexpr uint32_t kVersion = 1;

struct Header {
  std::array<char, 8> magic;
  uint32_t version;
  uint32_t header_size;
  uint32_t request_size;
  uint32_t reply_size;
  std::array<char, 1024> request;
  std::array<char, 1024> reply;
};

}  // namespace

absl::StatusOr<SavedSession> SavedSession::Create(absl::string_view init_request) {
  SavedSession session;
  session.memfd_.Reset(::memfd_create("stowage-fuse-session", MFD_CLOEXEC));
  if (!session.memfd_) return absl::ErrnoToStatus(errno, "create a memfd for the saved session");
  session.init_request_ = std::string(init_request);
  STOWAGE_RETURN_IF_ERROR(session.Write());
  return session;
}

absl::StatusOr<SavedSession> SavedSession::Adopt(UniqueFd memfd) {
  Header header;
  STOWAGE_RETURN_IF_ERROR(
      PreadExactly(memfd.get(), &header, sizeof header, 0, "the saved session"));
  if (header.magic != kMagic) return absl::DataLossError("the saved session is none of ours");
  if (header.version != kVersion || header.header_size != sizeof header)
    return absl::FailedPreconditionError(absl::StrCat(
        "the saved session has version ", header.version, ", this program knows ", kVersion));
  if (header.request_size > header.request.size() || header.reply_size > header.reply.size())
    return absl::DataLossError("the saved session has impossible sizes");
  SavedSession session;
  session.memfd_ = std::move(memfd);
  session.init_request_.assign(header.request.data(), header.request_size);
  session.init_reply_.assign(header.reply.data(), header.reply_size);
  return session;
}

absl::Status SavedSession::SaveInitReply(absl::string_view init_reply) {
  init_reply_ = std::string(init_reply);
  return Write();
}

absl::Status SavedSession::Write() const {
  Header header{};
  if (init_request_.size() > header.request.size() || init_reply_.size() > header.reply.size())
    return absl::InvalidArgumentError(absl::StrCat("save the session: messages of ",
                                                   init_request_.size(), " and ",
                                                   init_reply_.size(), " bytes do not fit"));
  header.magic = kMagic;
  header.version = kVersion;
  header.header_size = sizeof header;
  header.request_size = static_cast<uint32_t>(init_request_.size());
  header.reply_size = static_cast<uint32_t>(init_reply_.size());
  std::memcpy(header.request.data(), init_request_.data(), init_request_.size());
  std::memcpy(header.reply.data(), init_reply_.data(), init_reply_.size());
  // One write at one place: a worker killed here leaves the old header or the new one.
  if (::pwrite(memfd_.get(), &header, sizeof header, 0) != sizeof header)
    return absl::ErrnoToStatus(errno, "write the saved session");
  return absl::OkStatus();
}

}  // namespace stowage
