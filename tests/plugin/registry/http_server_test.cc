#include "plugin/registry/http_server.h"

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "tests/plugin/registry/raw_http_client.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

using testing::RawHttpClient;
using testing::RawHttpResponse;

// A body of one letter that takes its time to be written.
class LongBody : public BodyStream {
 public:
  explicit LongBody(uint64_t size) : size_(size), left_(size), piece_(65536, 'x') {}
  std::optional<uint64_t> size_bytes() const override { return size_; }
  Work work() const override { return Work::kDisk; }
  absl::StatusOr<bool> Continue(BodyWriter& writer) override {
    while (left_ > 0) {
      const uint64_t step = std::min<uint64_t>(left_, piece_.size());
      const absl::StatusOr<uint64_t> sent =
          writer.Send(absl::string_view(piece_).substr(0, step), left_ > step);
      if (!sent.ok()) return sent.status();
      left_ -= *sent;
      if (*sent < step) return false;
    }
    return true;
  }

 private:
  const uint64_t size_;
  uint64_t left_;
  const std::string piece_;
};

class BrokenBody : public LongBody {
 public:
  BrokenBody() : LongBody(1000000) {}
  absl::StatusOr<bool> Continue(BodyWriter& writer) override {
    const absl::StatusOr<uint64_t> sent = writer.Send("some bytes", true);
    return sent.ok() ? absl::DataLossError("file ended early") : sent.status();
  }
};

class UnreadableBody : public LongBody {
 public:
  UnreadableBody() : LongBody(1000000) {}
  absl::StatusOr<bool> Continue(BodyWriter& /*writer*/) override {
    return absl::DataLossError("file has changed");
  }
};

bool ParseSize(const std::string& text, uint64_t& size) {
  return absl::SimpleAtoi(text, &size) && size <= 100000000;
}

// /big/N and /long/N answer with N letters, /later when Release is called, others with the target.
class TestHandler : public HttpHandler {
 public:
  void Handle(const HttpRequest& request, std::function<void(HttpResponse)> respond) override {
    const std::string target(request.target);
    HttpResponse response;
    uint64_t size = 0;
    if (target.rfind("/long/", 0) == 0 && ParseSize(target.substr(6), size)) {
      response.body = std::make_unique<LongBody>(size);
    } else if (target.rfind("/big/", 0) == 0 && ParseSize(target.substr(5), size)) {
      response.body = SharedBytes::Of(std::string(size, 'x'));
    } else if (target == "/broken") {
      response.body = std::make_unique<BrokenBody>();
    } else if (target == "/unreadable") {
      response.body = std::make_unique<UnreadableBody>();
    } else if (target == "/later") {
      const absl::MutexLock lock(&mutex_);
      waiting_.push_back(std::move(respond));
      return;
    } else {
      response.body = SharedBytes::Of(absl::StrCat(std::string(request.method), " ", target));
    }
    respond(std::move(response));
  }

  void AwaitWaiting(size_t count) {
    const absl::MutexLock lock(&mutex_);
    const auto there = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return waiting_.size() >= count;
    };
    REQUIRE(mutex_.AwaitWithTimeout(absl::Condition(&there), absl::Seconds(10)));
  }
  void Release() {
    std::vector<std::function<void(HttpResponse)>> waiting;
    {
      const absl::MutexLock lock(&mutex_);
      waiting.swap(waiting_);
    }
    for (const auto& respond : waiting) {
      HttpResponse response;
      response.body = SharedBytes::Of("late");
      respond(std::move(response));
    }
  }

 private:
  absl::Mutex mutex_;
  std::vector<std::function<void(HttpResponse)>> waiting_ ABSL_GUARDED_BY(mutex_);
};

// A server on a free port whose access log is kept.
class TestServer {
 public:
  explicit TestServer(HttpServerOptions options = {}) {
    options.address = "127.0.0.1:0";
    options.io_threads = 2;
    options.on_access = [this](const HttpAccess& access) {
      const absl::MutexLock lock(&mutex_);
      accesses_.push_back(access);
    };
    auto server = HttpServer::Start(options, handler);
    REQUIRE_OK(server);
    server_ = *std::move(server);
  }
  ~TestServer() { server_.reset(); }

  uint16_t port() const { return server_->port(); }
  HttpServer& server() { return *server_; }
  std::vector<HttpAccess> AwaitAccesses(size_t count) {
    const absl::MutexLock lock(&mutex_);
    const auto there = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return accesses_.size() >= count;
    };
    REQUIRE(mutex_.AwaitWithTimeout(absl::Condition(&there), absl::Seconds(10)));
    return accesses_;
  }

  TestHandler handler;

 private:
  absl::Mutex mutex_;
  std::vector<HttpAccess> accesses_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<HttpServer> server_;
};

TEST_CASE("HttpServer answers pipelined requests in order on one connection", "[registry]") {
  TestServer server;
  RawHttpClient client(server.port());
  std::string requests;
  for (int i = 0; i < 300; ++i)
    absl::StrAppend(&requests, "GET /", i, i % 7 == 0 ? " HTTP/1.1\r\nX: y" : " HTTP/1.1",
                    "\r\nHost: a\r\n\r\n");
  std::thread sender([&] { client.Send(requests); });
  for (int i = 0; i < 300; ++i) REQUIRE(client.ReadResponse().body == absl::StrCat("GET /", i));
  sender.join();
}

TEST_CASE("HttpServer keeps order when a pipelined request waits", "[registry]") {
  TestServer server;
  RawHttpClient client(server.port());
  client.Send(
      "GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET /long/3000000 HTTP/1.1\r\nHost: a\r\n\r\n"
      "GET /b HTTP/1.1\r\nHost: a\r\n\r\n");
  server.handler.AwaitWaiting(1);
  server.handler.Release();
  CHECK(client.ReadResponse().body == "late");
  CHECK(client.ReadResponse().body == std::string(3000000, 'x'));
  CHECK(client.ReadResponse().body == "GET /b");
}

TEST_CASE("HttpServer takes a request byte by byte", "[registry]") {
  TestServer server;
  RawHttpClient client(server.port());
  for (const char c : std::string("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"))
    client.Send(absl::string_view(&c, 1));
  CHECK(client.ReadResponse().body == "GET /slow");
}

TEST_CASE("HttpServer closes when HTTP/1.0 or Connection: close asks for it", "[registry]") {
  TestServer server;
  const auto [request, closes] = GENERATE(table<std::string, bool>({
      {"GET /a HTTP/1.0\r\n\r\n", true},
      {"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false},
      {"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", true},
      {"GET /a HTTP/1.1\r\nHost: a\r\n\r\n", false},
  }));
  RawHttpClient client(server.port());
  client.Send(request);
  const RawHttpResponse response = client.ReadResponse();
  CHECK(response.body == "GET /a");
  CHECK(response.headers.count("date") == 1);
  if (closes) {
    CHECK(response.headers.at("connection") == "close");
    CHECK(client.AtEnd());
  } else {
    CHECK(client.Get("/b").body == "GET /b");
  }
}

TEST_CASE("HttpServer answers HEAD with the headers of GET", "[registry]") {
  TestServer server;
  const std::string target = GENERATE("/x", "/big/100000", "/long/100000");
  RawHttpClient client(server.port());
  RawHttpResponse get = client.Get(target);
  RawHttpResponse head = client.Request("HEAD", target);
  get.headers.erase("date");
  head.headers.erase("date");
  if (target == std::string("/x")) get.headers["content-length"] = "7";  // "HEAD /x"
  CHECK(head.headers == get.headers);
  CHECK(client.Get("/next").body == "GET /next");
}

TEST_CASE("HttpServer refuses heads that are too long and closes", "[registry]") {
  TestServer server;
  const auto [request, status] = GENERATE(table<std::string, int>({
      {"GET / HTTP/1.1\r\nHost: a\r\n" + std::string(1 << 20, 'x'), 431},
      {"GET /" + std::string(1 << 20, 'x'), 414},
      {"GET / HTTP/1.1\r\nHost: a\r\n\x01\r\n\r\n", 400},
  }));
  RawHttpClient client(server.port());
  client.Send(request);
  const RawHttpResponse response = client.ReadResponse();
  CHECK(response.status == status);
  CHECK(response.complete);
  CHECK(client.AtEnd());
  CHECK(server.AwaitAccesses(1)[0].status == status);
}

TEST_CASE("HttpServer answers a request with a body and closes", "[registry]") {
  TestServer server;
  RawHttpClient client(server.port());
  client.Send("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n");
  client.Send(std::string(500000, 'b'));
  const RawHttpResponse response = client.ReadResponse();
  CHECK(response.body == "POST /up");
  CHECK(response.headers.at("connection") == "close");
  CHECK(client.AtEnd());
}

TEST_CASE("HttpServer serves others while clients take nothing", "[registry]") {
  HttpServerOptions options;
  options.disk_threads = 1;
  TestServer server(options);
  std::vector<std::unique_ptr<RawHttpClient>> stuck;
  for (int i = 0; i < 8; ++i) {
    stuck.push_back(std::make_unique<RawHttpClient>(server.port(), 4096));
    stuck.back()->Send(i % 2 == 0 ? "GET /long/12000000 HTTP/1.1\r\nHost: a\r\n\r\n"
                                  : "GET /big/12000000 HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  RawHttpClient client(server.port());
  CHECK(client.Get("/long/1000000").body.size() == 1000000);
  CHECK(client.Get("/big/1000000").body.size() == 1000000);
  const RawHttpResponse slow = stuck[0]->ReadResponse();
  CHECK(slow.complete);
  CHECK(slow.body.size() == 12000000);
}

TEST_CASE("HttpServer gives up on a client that takes nothing", "[registry]") {
  HttpServerOptions options;
  options.stall_timeout = absl::Milliseconds(100);
  TestServer server(options);
  const std::string target = GENERATE("/long/50000000", "/big/50000000");
  RawHttpClient client(server.port(), 4096);
  client.Send("GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n");
  const HttpAccess access = server.AwaitAccesses(1)[0];
  CHECK(absl::IsDeadlineExceeded(access.body_status));
  CHECK(access.body_bytes < 50000000);
}

TEST_CASE("HttpServer survives clients that leave inside a body", "[registry]") {
  TestServer server;
  for (int i = 0; i < 20; ++i) {
    RawHttpClient client(server.port(), 4096);
    client.Send("GET /long/50000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(client.ReadSome(1000).size() == 1000);
    if (i % 2 == 0) client.Reset();
  }
  for (const HttpAccess& access : server.AwaitAccesses(20))
    CHECK(absl::IsUnavailable(access.body_status));
  CHECK(RawHttpClient(server.port()).Get("/x").status == 200);
}

TEST_CASE("HttpServer cuts a body that fails and logs why", "[registry]") {
  TestServer server;
  RawHttpClient client(server.port());
  const RawHttpResponse response = client.Get("/broken");
  CHECK(response.headers.at("content-length") == "1000000");
  CHECK_FALSE(response.complete);
  CHECK(response.body == "some bytes");
  const HttpAccess access = server.AwaitAccesses(1)[0];
  CHECK(absl::IsDataLoss(access.body_status));
  CHECK(access.body_bytes == 10);
}

TEST_CASE("HttpServer answers 500 for a body that fails before its first byte", "[registry]") {
  TestServer server;
  RawHttpClient client(server.port());
  const RawHttpResponse response = client.Get("/unreadable");
  CHECK(response.status == 500);
  CHECK(response.reason == "file has changed");
  CHECK(absl::IsDataLoss(server.AwaitAccesses(1)[0].body_status));
  CHECK(client.Get("/x").status == 200);
  CHECK(server.AwaitAccesses(2)[1].body_status.ok());
}

TEST_CASE("HttpServer closes idle and slow connections", "[registry]") {
  HttpServerOptions options;
  options.idle_timeout = absl::Milliseconds(100);
  options.head_timeout = absl::Milliseconds(100);
  TestServer server(options);
  RawHttpClient silent(server.port());
  RawHttpClient half(server.port());
  half.Send("GET / HT");
  RawHttpClient idle(server.port());
  CHECK(idle.Get("/x").status == 200);
  CHECK(silent.AtEnd());
  CHECK(half.AtEnd());
  CHECK(idle.AtEnd());
}

TEST_CASE("HttpServer waits without limit for its handler", "[registry]") {
  HttpServerOptions options;
  options.idle_timeout = options.head_timeout = options.stall_timeout = absl::Milliseconds(40);
  TestServer server(options);
  RawHttpClient client(server.port());
  client.Send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
  server.handler.AwaitWaiting(1);
  absl::SleepFor(absl::Milliseconds(200));
  server.handler.Release();
  CHECK(client.ReadResponse().body == "late");
}

TEST_CASE("HttpServer ends the session of a waiting client that leaves", "[registry]") {
  HttpServerOptions options;
  options.idle_timeout = absl::Milliseconds(40);  // makes the check frequent
  TestServer server(options);
  {
    RawHttpClient client(server.port());
    client.Send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    server.handler.AwaitWaiting(1);
  }
  const HttpAccess access = server.AwaitAccesses(1)[0];
  CHECK(access.status == 499);
  CHECK(access.target == "/later");
  server.handler.Release();  // reaches nobody
  CHECK(RawHttpClient(server.port()).Get("/x").status == 200);
}

TEST_CASE("HttpServer refuses connections above its limit with 503", "[registry]") {
  HttpServerOptions options;
  options.max_connections = 2;
  TestServer server(options);
  RawHttpClient first(server.port());
  RawHttpClient second(server.port());
  CHECK(first.Get("/a").status == 200);
  CHECK(second.Get("/b").status == 200);
  RawHttpClient third(server.port());
  const RawHttpResponse response = third.Get("/c");
  CHECK(response.status == 503);
  CHECK(response.headers.count("retry-after") == 1);
  CHECK(third.AtEnd());
  CHECK(first.Get("/d").status == 200);
}

TEST_CASE("HttpServer drains: requests in progress end, idle connections close", "[registry]") {
  TestServer server;
  RawHttpClient idle(server.port());
  CHECK(idle.Get("/x").status == 200);
  RawHttpClient waiting(server.port());
  waiting.Send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
  server.handler.AwaitWaiting(1);
  RawHttpClient loading(server.port(), 65536);
  loading.Send("GET /long/20000000 HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(loading.ReadSome(15) == "HTTP/1.1 200 OK");
  std::thread stopper([&] { server.server().Stop(absl::Now() + absl::Seconds(20)); });
  CHECK(idle.AtEnd());
  server.handler.Release();
  const RawHttpResponse late = waiting.ReadResponse();
  CHECK(late.body == "late");
  CHECK(late.headers.at("connection") == "close");
  CHECK(waiting.AtEnd());
  CHECK(loading.ReadSome(30000000).size() > 20000000);
  stopper.join();
  CHECK_THROWS(RawHttpClient(server.port()));
}

TEST_CASE("HttpServer cuts what is not done at the deadline of Stop", "[registry]") {
  TestServer server;
  RawHttpClient waiting(server.port());
  waiting.Send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
  server.handler.AwaitWaiting(1);
  RawHttpClient stuck(server.port(), 4096);
  stuck.Send("GET /long/50000000 HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(stuck.ReadSome(5) == "HTTP/");
  server.server().Stop(absl::Now() + absl::Milliseconds(50));
  CHECK(waiting.AtEnd());
  server.handler.Release();  // after the server: dropped
  CHECK(server.AwaitAccesses(2).size() == 2);
}

TEST_CASE("HttpServer serves 64 clients at once", "[registry]") {
  TestServer server;
  std::atomic<int> good = 0;
  std::vector<std::thread> clients;
  for (int c = 0; c < 64; ++c) {
    clients.emplace_back([&, c] {
      RawHttpClient client(server.port());
      for (int i = 0; i < 10; ++i) {
        const size_t size = static_cast<size_t>(c * 1000 + i);
        const std::string kind = i % 2 == 0 ? "/long/" : "/big/";
        if (client.Get(absl::StrCat(kind, size)).body == std::string(size, 'x')) ++good;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  CHECK(good == 640);
}

TEST_CASE("HttpServer survives 2,000 damaged requests", "[registry]") {
  TestServer server;
  const std::string seed =
      "GET /big/100 HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\nAccept-Encoding: gzip;q=0.5\r\n"
      "Connection: keep-alive\r\nContent-Length: 0\r\n\r\n";
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string request = seed;
    for (uint32_t n = random() % 8 + 1; n > 0; --n) {
      const size_t at = random() % request.size();
      switch (random() % 4) {
        case 0:
          request[at] = static_cast<char>(random());
          break;
        case 1:
          request.erase(at, random() % 10);
          break;
        case 2:
          request.insert(at, request.substr(random() % request.size(), random() % 40));
          break;
        default:
          request.insert(at, 1, "\r\n\0 :%"[random() % 6]);
      }
      if (request.empty()) request = "\r";
    }
    RawHttpClient client(server.port());
    client.Send(request);
    client.CloseSending();
    while (client.ReadSome(65536).size() == 65536) {
    }
  }
  CHECK(RawHttpClient(server.port()).Get("/x").body == "GET /x");
}

TEST_CASE("HttpServer says what is wrong with its address", "[registry]") {
  TestHandler handler;
  HttpServerOptions options;
  options.address = GENERATE("", "127.0.0.1", "localhost:1", "127.0.0.1:65536", "127.0.0.1:x",
                             "[::1]:80", "1.2.3:80");
  CHECK(absl::IsInvalidArgument(HttpServer::Start(options, handler).status()));
}

TEST_CASE("HttpServer does not share a port with another server", "[registry]") {
  TestServer server;
  TestHandler handler;
  HttpServerOptions options;
  options.address = absl::StrCat("127.0.0.1:", server.port());
  const auto second = HttpServer::Start(options, handler);
  REQUIRE_FALSE(second.ok());
  CHECK(second.status().message().find(options.address) != std::string::npos);
}

}  // namespace
}  // namespace stowage
