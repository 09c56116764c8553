// What a worker leaves in its slots when it is killed, without a kernel: a socket pair stands for
// /dev/fuse.

#include "fuse/request_slots.h"

#include <linux/fuse.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fuse/fuse_operations.h"
#include "fuse/libfuse.h"
#include "fuse/libfuse_session.h"
#include "fuse/request_loop.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

std::string Request(uint64_t unique, uint32_t opcode, const std::string& body) {
  fuse_in_header header{};
  header.len = static_cast<uint32_t>(sizeof header + body.size());
  header.opcode = opcode;
  header.unique = unique;
  header.nodeid = 1;
  return std::string(reinterpret_cast<const char*>(&header), sizeof header) + body;
}

void Put(const RequestSlot& slot, const std::string& request) {
  std::memcpy(slot.bytes(), request.data(), request.size());
}

SavedSession Session() {
  auto session = SavedSession::Create("/mnt", "0:53", "request", {});
  REQUIRE_OK(session);
  return *std::move(session);
}

TEST_CASE("a slot holds a request from the read until it is cleared", "[fuse][request_slots]") {
  const SavedSession session = Session();
  const auto slots = RequestSlots::Map(session);
  REQUIRE_OK(slots);
  const RequestSlot slot = slots->At(kSessionSlots - 1);
  slot.KeepPresent();
  CHECK(slot.request_bytes() == 0);
  Put(slot, Request(7, FUSE_LOOKUP, "name"));
  CHECK(slot.attempts() == 0);  // killed right after the read
  slot.CountAttempt();
  // Another process's view of it.
  const auto later = RequestSlots::Map(session);
  REQUIRE_OK(later);
  const RequestSlot found = later->At(kSessionSlots - 1);
  found.KeepPresent();
  CHECK(found.request_bytes() == sizeof(fuse_in_header) + 4);
  CHECK(found.unique() == 7);
  CHECK(found.attempts() == 1);
  found.Clear();
  CHECK(slot.request_bytes() == 0);
  CHECK(slot.attempts() == 0);
}

TEST_CASE("a slot with an impossible length holds nothing", "[fuse][request_slots]") {
  const SavedSession session = Session();
  const auto slots = RequestSlots::Map(session);
  REQUIRE_OK(slots);
  const RequestSlot slot = slots->At(0);
  const auto length =
      GENERATE(as<uint32_t>{}, 1, sizeof(fuse_in_header) - 1, RequestSlot::kCapacity + 1, ~0u);
  std::memcpy(slot.bytes(), &length, sizeof length);
  CHECK(slot.request_bytes() == 0);
}

// Requests whose handlers have returned without an answer.
struct Unanswered {
  fuse_req_t request;
  std::optional<KeptRequest> kept;
};
std::vector<Unanswered> unanswered;

// A libfuse session on one end of a socket pair; the other end is the kernel.
class FakeKernel {
 public:
  FakeKernel() : saved_(Session()) {
    int pair[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    kernel_.Reset(pair[0]);
    const timeval patience = {5, 0};  // for a reply that never comes
    REQUIRE(::setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
    auto slots = RequestSlots::Map(saved_);
    REQUIRE_OK(slots);
    slots_ = std::make_unique<RequestSlots>(*std::move(slots));
    operations_ = {};
    operations_.getattr = [](fuse_req_t request, fuse_ino_t, fuse_file_info*) {
      (void)fuse_reply_err(request, ENOTCONN);  // an error no other part gives
    };
    operations_.readlink = [](fuse_req_t request, fuse_ino_t) {
      unanswered.push_back({request, RequestLoop::KeepServedRequest()});
    };
    auto session = LibfuseSession::Create(operations_, nullptr, UniqueFd(pair[1]));
    REQUIRE_OK(session);
    session_ = *std::move(session);
    fuse_init_in init{};
    init.major = FUSE_KERNEL_VERSION;
    init.minor = FUSE_KERNEL_MINOR_VERSION;
    init.max_readahead = 4096;
    REQUIRE_OK(session_->Initialise(
        Request(1, FUSE_INIT, std::string(reinterpret_cast<const char*>(&init), sizeof init)),
        DataMode::kCached));
    Reply();
  }

  // Queues a request for whoever reads next.
  void Ask(const std::string& request) const {
    REQUIRE(::write(kernel_.get(), request.data(), request.size()) ==
            static_cast<ssize_t>(request.size()));
  }

  RequestSlot Slot(size_t index) const { return slots_->At(index); }

  // Runs a loop until it has replayed, and ends the connection. meanwhile: called while it runs.
  void Run(
      int threads, const std::function<void()>& meanwhile = [] {}) {
    RequestLoop::Options options;
    options.threads = threads;
    options.resend = resend;
    options.log = [this](LogLevel, absl::string_view line) { log.emplace_back(line); };
    options.on_replayed = [this] { ::shutdown(kernel_.get(), SHUT_WR); };
    auto loop = RequestLoop::Start(session_.get(), slots_.get(), std::move(options));
    REQUIRE_OK(loop);
    meanwhile();
  }

  struct Answer {
    uint64_t unique;
    int error;
    bool operator==(const Answer& other) const = default;
  };
  Answer Reply() {
    fuse_out_header header{};
    char body[1024];
    iovec pieces[] = {{&header, sizeof header}, {body, sizeof body}};
    REQUIRE(::readv(kernel_.get(), pieces, 2) >= static_cast<ssize_t>(sizeof header));
    return {header.unique, header.error};
  }

  bool resend = false;
  std::vector<std::string> log;

 private:
  SavedSession saved_;
  UniqueFd kernel_;
  std::unique_ptr<RequestSlots> slots_;
  fuse_lowlevel_ops operations_;
  std::unique_ptr<LibfuseSession> session_;
};

std::string GetAttr(uint64_t unique) {
  const fuse_getattr_in body{};
  return Request(unique, FUSE_GETATTR,
                 std::string(reinterpret_cast<const char*>(&body), sizeof body));
}

TEST_CASE("a loop serves what earlier workers left, whatever slot it lies in",
          "[fuse][request_slots]") {
  FakeKernel kernel;
  Put(kernel.Slot(100), GetAttr(11));
  kernel.Run(1);
  CHECK(kernel.Reply() == FakeKernel::Answer{11, -ENOTCONN});
  CHECK(kernel.Slot(100).request_bytes() == 0);
  REQUIRE(kernel.log.size() == 1);
  CHECK(kernel.log[0] == "requests_replayed count=1");
}

TEST_CASE("a worker that finds a request in every slot replays them all and serves",
          "[fuse][request_slots]") {
  const auto attempts = GENERATE(as<uint32_t>{}, 1, 2);
  const int threads = GENERATE(1, 8, kMaxThreads);
  FakeKernel kernel;
  std::set<uint64_t> asked;
  for (size_t i = 0; i < kSessionSlots; ++i) {
    const uint64_t unique = 100 + i;
    Put(kernel.Slot(i), GetAttr(unique));
    for (uint32_t j = 0; j < attempts; ++j) kernel.Slot(i).CountAttempt();
    asked.insert(unique);
  }
  kernel.Ask(GetAttr(7));
  asked.insert(7);
  kernel.Run(threads);
  std::set<uint64_t> answered;
  for (size_t i = 0; i < asked.size(); ++i) {
    const FakeKernel::Answer answer = kernel.Reply();
    CHECK(answer.error == -ENOTCONN);
    answered.insert(answer.unique);
  }
  CHECK(answered == asked);
  for (size_t i = 0; i < kSessionSlots; ++i) CHECK(kernel.Slot(i).request_bytes() == 0);
}

TEST_CASE("what was tried least is served first; what was tried too often gets EIO",
          "[fuse][request_slots]") {
  FakeKernel kernel;
  const auto leave = [&](size_t slot, uint64_t unique, uint32_t attempts) {
    Put(kernel.Slot(slot), GetAttr(unique));
    for (uint32_t i = 0; i < attempts; ++i) kernel.Slot(slot).CountAttempt();
  };
  leave(0, 20, RequestLoop::kMaxAttempts);
  leave(1, 21, 3);
  leave(2, 22, 2);
  leave(3, 23, 1);
  kernel.Run(2);
  std::vector<uint64_t> suspects;
  for (int i = 0; i < 4; ++i) {
    const FakeKernel::Answer answer = kernel.Reply();
    CHECK(answer.error == (answer.unique == 20 ? -EIO : -ENOTCONN));
    if (answer.unique != 23) suspects.push_back(answer.unique);
  }
  CHECK(suspects == std::vector<uint64_t>{22, 21, 20});
  for (size_t i = 0; i < 4; ++i) CHECK(kernel.Slot(i).request_bytes() == 0);
}

TEST_CASE("requests that are answered later keep their slots and no thread",
          "[fuse][request_slots]") {
  constexpr size_t kRequests = kSessionSlots + 50;
  FakeKernel kernel;
  kernel.resend = GENERATE(false, true);
  for (size_t i = 0; i < kRequests; ++i) kernel.Ask(Request(100 + i, FUSE_READLINK, ""));
  kernel.Ask(GetAttr(7));
  const auto occupied = [&kernel] {
    std::vector<RequestSlot> slots;
    for (size_t i = 0; i < kSessionSlots; ++i)
      if (kernel.Slot(i).request_bytes() != 0) slots.push_back(kernel.Slot(i));
    return slots;
  };
  kernel.Run(1, [&] {
    CHECK(kernel.Reply() == FakeKernel::Answer{7, -ENOTCONN});
    REQUIRE(unanswered.size() == kRequests);
    // All but the thread's own are for them; the others are the kernel's to remember, if it does.
    CHECK(std::count_if(unanswered.begin(), unanswered.end(), [](const Unanswered& waiting) {
            return waiting.kept.has_value();
          }) == static_cast<ptrdiff_t>(kernel.resend ? kRequests : kSessionSlots - 1));
    const std::vector<RequestSlot> slots = occupied();
    CHECK(slots.size() >= kSessionSlots - 1);
    CHECK(std::count_if(slots.begin(), slots.end(), [](const RequestSlot& slot) {
            return slot.attempts() == 0;
          }) >= static_cast<ptrdiff_t>(kSessionSlots) - 1);
    for (const Unanswered& waiting : unanswered) (void)fuse_reply_err(waiting.request, EIO);
    unanswered.clear();
  });
  CHECK(occupied().empty());
  std::set<uint64_t> answered;
  for (size_t i = 0; i < kRequests; ++i) answered.insert(kernel.Reply().unique);
  CHECK(answered.size() == kRequests);
}

TEST_CASE("a request that an earlier worker kept is kept again", "[fuse][request_slots]") {
  FakeKernel kernel;
  Put(kernel.Slot(5), Request(11, FUSE_READLINK, ""));
  kernel.Ask(GetAttr(7));
  kernel.Run(1, [&] {
    CHECK(kernel.Reply() == FakeKernel::Answer{7, -ENOTCONN});
    REQUIRE(unanswered.size() == 1);
    CHECK(kernel.Slot(5).request_bytes() != 0);
    CHECK(kernel.Slot(5).unique() == 11);
    CHECK(kernel.Slot(5).attempts() == 0);
    (void)fuse_reply_err(unanswered[0].request, EIO);
    unanswered.clear();
  });
  CHECK(kernel.Slot(5).request_bytes() == 0);
  CHECK(kernel.Reply() == FakeKernel::Answer{11, -EIO});
}

}  // namespace
}  // namespace stowage
