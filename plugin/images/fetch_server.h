#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "fuse/fetch_message.h"
#include "plugin/images/path_fetcher.h"

namespace stowage {

// Where stowage-fuse asks for promised objects: a SOCK_SEQPACKET socket in the state directory, for
// this user only. What a connection asked for is forgotten when it ends. One thread; thread-safe.
class FetchServer {
 public:
  // fetcher: borrowed. Errors: the errno's.
  static absl::StatusOr<std::unique_ptr<FetchServer>> Start(const std::string& state_directory,
                                                            PathFetcher& fetcher, LogFunction log);
  ~FetchServer();
  FetchServer(const FetchServer&) = delete;
  FetchServer& operator=(const FetchServer&) = delete;

 private:
  struct Connection {
    UniqueFd fd;
    absl::flat_hash_map<uint64_t, uint64_t> tickets;  // by object, of what was asked for
    std::deque<FetchMessage> unsent;                  // answers that the socket does not take yet
  };
  struct Answer {
    uint64_t connection;
    uint64_t object;
    bool fetched;
  };
  // Where the fetcher's threads leave answers. Owners: the server, and each `done` that the fetcher
  // still has, which may be called after the server has gone.
  struct Answers {
    UniqueFd wake;
    absl::Mutex mutex;
    std::vector<Answer> answers ABSL_GUARDED_BY(mutex);
    bool stopping ABSL_GUARDED_BY(mutex) = false;
  };

  FetchServer(UniqueFd listener, PathFetcher& fetcher, LogFunction log)
      : listener_(std::move(listener)), fetcher_(fetcher), log_(std::move(log)) {}
  void Run();
  void Accept();
  // False: the connection has ended.
  bool Read(uint64_t number, Connection& connection);
  bool Handle(uint64_t number, Connection& connection, absl::string_view packet);
  void Queue(const Answer& answer);
  // As many answers as the socket takes now. False: the connection has ended.
  static bool Send(Connection& connection);
  void Close(uint64_t number);

  const UniqueFd listener_;
  PathFetcher& fetcher_;
  const LogFunction log_;
  const std::shared_ptr<Answers> answers_ = std::make_shared<Answers>();
  // Of the server's thread:
  uint64_t connections_made_ = 0;
  absl::flat_hash_map<uint64_t, Connection> connections_;
  std::thread thread_;
};

}  // namespace stowage
