#include "tests/support/nar_hash.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/status_macros.h"

namespace stowage::testing {
namespace {

class NarWriter {
 public:
  absl::Status Object(const std::string& path) {
    struct stat status;
    if (::lstat(path.c_str(), &status) != 0)
      return absl::ErrnoToStatus(errno, absl::StrCat("stat ", path));
    Texts({"(", "type"});
    if (S_ISLNK(status.st_mode)) {
      STOWAGE_ASSIGN_OR_RETURN(const std::string target, ReadLinkAt(AT_FDCWD, path));
      Texts({"symlink", "target", target});
    } else if (S_ISDIR(status.st_mode)) {
      Text("directory");
      STOWAGE_RETURN_IF_ERROR(Entries(path));
    } else {
      Text("regular");
      if ((status.st_mode & S_IXUSR) != 0) Texts({"executable", ""});
      STOWAGE_ASSIGN_OR_RETURN(const std::string content, ReadFile(path));
      Texts({"contents", content});
    }
    Text(")");
    return absl::OkStatus();
  }

  void Text(absl::string_view text) {
    char length[8];
    for (int i = 0; i < 8; ++i) length[i] = static_cast<char>(text.size() >> (8 * i));
    hasher_.Update(length, sizeof length);
    hasher_.Update(text);
    hasher_.Update(std::string((8 - text.size() % 8) % 8, '\0'));
  }

  Digest Finish() { return hasher_.Finish(); }

 private:
  void Texts(const std::vector<absl::string_view>& texts) {
    for (const absl::string_view text : texts) Text(text);
  }

  absl::Status Entries(const std::string& directory) {
    STOWAGE_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(directory));
    for (const std::string& name : names) {
      Texts({"entry", "(", "name", name, "node"});
      STOWAGE_RETURN_IF_ERROR(Object(absl::StrCat(directory, "/", name)));
      Text(")");
    }
    return absl::OkStatus();
  }

  Sha256Hasher hasher_;
};

}  // namespace

absl::StatusOr<Digest> NarHash(const std::string& path) {
  NarWriter writer;
  writer.Text("nix-archive-1");
  STOWAGE_RETURN_IF_ERROR(writer.Object(path));
  return writer.Finish();
}

}  // namespace stowage::testing
