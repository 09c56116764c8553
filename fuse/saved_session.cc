#include "fuse/saved_session.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"

// A test program is built as a neighbouring version of this one.
#ifndef STOWAGE_SESSION_VERSION
#define STOWAGE_SESSION_VERSION 4
#endif
#ifndef STOWAGE_SESSION_OLDEST_READER
#define STOWAGE_SESSION_OLDEST_READER 2
#endif

namespace stowage {
namespace {

constexpr std::array<char, 8> kMagic = {'s', 't', 'o', 'w', 's', 'e', 's', 's'};
constexpr uint32_t kVersion = STOWAGE_SESSION_VERSION;
constexpr uint32_t kOldestReader = STOWAGE_SESSION_OLDEST_READER;
constexpr uint32_t kOldestReadable = 2;
// Version 2 knows no data mode and would answer OPEN as in the cached one.
constexpr uint32_t kOldestPassthroughReader = std::max(kOldestReader, uint32_t{3});

struct Header {
  std::array<char, 8> magic;
  uint32_t version;
  uint32_t oldest_reader;  // first version that can go on with it
  uint32_t request_size;
  uint32_t reply_size;
  std::array<char, 1024> request;
  std::array<char, 1024> reply;
  std::array<char, 64> device;         // zero-terminated
  std::array<char, 4096> mount_point;  // zero-terminated
  uint32_t data_mode;                  // since version 3; 0 before
  // Since version 4; 0 before. A version that does not know it answers ENODATA, which is right on
  // such a connection too.
  uint32_t no_extended_attributes;
};
static_assert(sizeof(Header) <= kSessionHeaderBytes);
// What is written later lies in one page: a process killed while it writes to more may leave some
// of them unwritten.
static_assert(offsetof(Header, reply) + sizeof(Header::reply) <= 4096);

template <size_t N>
bool Fits(absl::string_view text, const std::array<char, N>&) {
  return text.size() < N;
}

template <typename T>
absl::string_view BytesOf(const T& value) {
  return absl::string_view(reinterpret_cast<const char*>(&value), sizeof value);
}

uint32_t OldestReaderOf(DataMode data_mode) {
  return data_mode == DataMode::kPassthrough ? kOldestPassthroughReader : kOldestReader;
}

size_t SessionBytes(DataMode data_mode) {
  return kSessionBytes + (data_mode == DataMode::kPassthrough ? kBackingTableBytes : 0);
}

absl::Status CheckVersion(const Header& header) {
  if (header.version >= kOldestReadable && header.oldest_reader <= kVersion)
    return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the running server's saved session has version ", header.version,
                   " for versions from ", header.oldest_reader, " on; this program has version ",
                   kVersion, " and reads from ", kOldestReadable,
                   " on. Install a program between the two, or stop the service, which ends "
                   "the mount under every container on it"));
}

}  // namespace

absl::StatusOr<SavedSession> SavedSession::Create(const std::string& mount_point,
                                                  const std::string& device,
                                                  absl::string_view init_request,
                                                  const ConnectionSettings& settings) {
  SavedSession session;
  session.memfd_.Reset(::memfd_create("stowage-fuse-session", MFD_CLOEXEC));
  if (!session.memfd_) return absl::ErrnoToStatus(errno, "create a memfd for the saved session");
  if (::ftruncate(session.memfd_.get(), static_cast<off_t>(SessionBytes(settings.data_mode))) != 0)
    return absl::ErrnoToStatus(errno, "give the saved session its size");
  Header header{};
  if (!Fits(init_request, header.request) || !Fits(device, header.device) ||
      !Fits(mount_point, header.mount_point))
    return absl::InvalidArgumentError(absl::StrCat("save the session: a message of ",
                                                   init_request.size(), " bytes and a place of ",
                                                   mount_point.size(), " bytes do not fit"));
  header.magic = kMagic;
  header.version = kVersion;
  header.oldest_reader = OldestReaderOf(settings.data_mode);
  header.data_mode = static_cast<uint32_t>(settings.data_mode);
  header.no_extended_attributes = settings.extended_attributes ? 0 : 1;
  header.request_size = static_cast<uint32_t>(init_request.size());
  std::memcpy(header.request.data(), init_request.data(), init_request.size());
  std::memcpy(header.device.data(), device.data(), device.size());
  std::memcpy(header.mount_point.data(), mount_point.data(), mount_point.size());
  STOWAGE_RETURN_IF_ERROR(session.WriteAt(0, BytesOf(header)));
  session.version_ = kVersion;
  session.settings_ = settings;
  session.mount_point_ = mount_point;
  session.device_ = device;
  session.init_request_ = std::string(init_request);
  return session;
}

absl::StatusOr<SavedSession> SavedSession::Adopt(UniqueFd memfd) {
  Header header;
  STOWAGE_RETURN_IF_ERROR(
      PreadExactly(memfd.get(), &header, sizeof header, 0, "the saved session"));
  if (header.magic != kMagic) return absl::DataLossError("the saved session is none of ours");
  STOWAGE_RETURN_IF_ERROR(CheckVersion(header));
  struct stat status {};
  if (::fstat(memfd.get(), &status) != 0)
    return absl::ErrnoToStatus(errno, "examine the saved session");
  if (header.request_size > header.request.size() || header.reply_size > header.reply.size() ||
      header.data_mode > static_cast<uint32_t>(DataMode::kPassthrough) ||
      header.device.back() != '\0' || header.mount_point.back() != '\0' ||
      status.st_size < static_cast<off_t>(SessionBytes(static_cast<DataMode>(header.data_mode))))
    return absl::DataLossError("the saved session has impossible sizes");
  SavedSession session;
  session.memfd_ = std::move(memfd);
  session.version_ = header.version;
  session.settings_ = {static_cast<DataMode>(header.data_mode), header.no_extended_attributes == 0};
  session.mount_point_ = header.mount_point.data();
  session.device_ = header.device.data();
  session.init_request_.assign(header.request.data(), header.request_size);
  session.init_reply_.assign(header.reply.data(), header.reply_size);
  return session;
}

absl::Status SavedSession::SaveInitReply(absl::string_view init_reply) {
  if (init_reply.size() >= sizeof(Header::reply))
    return absl::InvalidArgumentError(
        absl::StrCat("save a FUSE_INIT reply of ", init_reply.size(), " bytes: too long"));
  // The size last: without it there is no reply.
  const auto size = static_cast<uint32_t>(init_reply.size());
  STOWAGE_RETURN_IF_ERROR(WriteAt(offsetof(Header, reply), init_reply));
  STOWAGE_RETURN_IF_ERROR(WriteAt(offsetof(Header, reply_size), BytesOf(size)));
  init_reply_ = std::string(init_reply);
  return absl::OkStatus();
}

absl::Status SavedSession::Stamp() {
  static_assert(offsetof(Header, oldest_reader) == offsetof(Header, version) + sizeof kVersion);
  const std::array<uint32_t, 2> versions = {kVersion, OldestReaderOf(settings_.data_mode)};
  STOWAGE_RETURN_IF_ERROR(WriteAt(offsetof(Header, version), BytesOf(versions)));
  version_ = kVersion;
  return absl::OkStatus();
}

absl::Status SavedSession::WriteAt(size_t place, absl::string_view bytes) const {
  if (::pwrite(memfd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(place)) !=
      static_cast<ssize_t>(bytes.size()))
    return absl::ErrnoToStatus(errno, "write the saved session");
  return absl::OkStatus();
}

}  // namespace stowage
