// Serves one manifest and one layer for each store directory given, for bench_registry.py.
//
// Usage: registry_bench_server IO_THREADS MANIFEST_FILE BLOB...
// Prints the port, then a line "MANIFEST_DIGEST" and one "LAYER_DIGEST SIZE" for each directory,
// and serves until its standard input ends. Every entry of a directory must be named as a store
// path.

#include <unistd.h>

#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "layering/layer_archive.h"
#include "plugin/registry/http_server.h"
#include "plugin/registry/image_source.h"
#include "plugin/registry/registry_service.h"

namespace stowage {
namespace {

// What a resolved image looks like to the endpoint: everything is in memory.
class BenchSource : public ImageSource {
 public:
  explicit BenchSource(DocumentPointer manifest) : manifest_(std::move(manifest)) {}
  void Add(const Digest& digest, Blob blob, uint64_t size_bytes) {
    blobs_.emplace(digest, std::pair(std::move(blob), size_bytes));
  }

  void ResolveManifest(const ManifestRequest& /*request*/,
                       std::function<void(absl::StatusOr<DocumentPointer>)> done) override {
    done(manifest_);
  }
  absl::StatusOr<DocumentPointer> FindManifest(const Digest& digest) override {
    if (digest == manifest_->digest) return manifest_;
    return absl::NotFoundError("no such manifest");
  }
  void OpenBlob(const Digest& digest, std::function<void(absl::StatusOr<Blob>)> done) override {
    const auto found = blobs_.find(digest);
    if (found == blobs_.end()) return done(absl::NotFoundError("no such blob"));
    done(found->second.first);
  }
  absl::StatusOr<uint64_t> BlobSize(const Digest& digest) override {
    const auto found = blobs_.find(digest);
    if (found == blobs_.end()) return absl::NotFoundError("no such blob");
    return found->second.second;
  }
  absl::StatusOr<std::vector<std::string>> ListTags(const std::string& /*name*/) override {
    return std::vector<std::string>{"latest"};
  }
  std::vector<Referrer> Referrers(const Digest& /*digest*/) override { return {}; }

 private:
  const DocumentPointer manifest_;
  std::map<Digest, std::pair<Blob, uint64_t>> blobs_;
};

// Adds a file or a directory of store paths.
absl::StatusOr<LayerDigest> AddBlob(const std::string& path, BenchSource& source) {
  absl::StatusOr<std::string> content = ReadFile(path);
  if (content.ok()) {
    const LayerDigest digest = {Sha256(*content), content->size()};
    source.Add(digest.diff_id,
               std::make_shared<const Document>(
                   Document{digest.diff_id, "application/octet-stream", *std::move(content)}),
               digest.size_bytes);
    return digest;
  }
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(path));
  STOWAGE_ASSIGN_OR_RETURN(LayerArchive archive, LayerArchive::ForStorePaths(path, names));
  STOWAGE_ASSIGN_OR_RETURN(const LayerDigest digest, archive.Hash({}));
  source.Add(digest.diff_id, std::make_shared<const LayerArchive>(std::move(archive)),
             digest.size_bytes);
  return digest;
}

absl::Status Serve(int io_threads, const std::string& manifest_file,
                   const std::vector<std::string>& blobs) {
  STOWAGE_ASSIGN_OR_RETURN(const std::string content, ReadFile(manifest_file));
  const auto manifest = std::make_shared<const Document>(
      Document{Sha256(content), "application/vnd.oci.image.manifest.v1+json", content});
  BenchSource source(manifest);
  std::vector<LayerDigest> digests;
  for (const std::string& path : blobs) {
    STOWAGE_ASSIGN_OR_RETURN(const LayerDigest digest, AddBlob(path, source));
    digests.push_back(digest);
  }
  RegistryService service(source, {});
  HttpServerOptions options;
  options.address = "127.0.0.1:0";
  options.io_threads = io_threads;
  STOWAGE_ASSIGN_OR_RETURN(const std::unique_ptr<HttpServer> server,
                           HttpServer::Start(options, service));
  std::cout << server->port() << "\n" << manifest->digest.ToString() << "\n";
  for (const LayerDigest& digest : digests)
    std::cout << digest.diff_id.ToString() << " " << digest.size_bytes << "\n";
  std::cout << std::flush;
  char byte;
  while (::read(STDIN_FILENO, &byte, 1) > 0) {
  }
  server->Stop(absl::Now() + absl::Seconds(1));
  return absl::OkStatus();
}

}  // namespace
}  // namespace stowage

int main(int argc, char** argv) {
  int io_threads = 0;
  if (argc < 3 || !absl::SimpleAtoi(argv[1], &io_threads)) {
    std::cerr << "usage: registry_bench_server IO_THREADS MANIFEST_FILE BLOB...\n";
    return 2;
  }
  const absl::Status status =
      stowage::Serve(io_threads, argv[2], std::vector<std::string>(argv + 3, argv + argc));
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
