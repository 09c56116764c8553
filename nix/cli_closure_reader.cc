#include "nix/cli_closure_reader.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "nix/closure_assembly.h"
#include "nix/nix_process.h"

namespace stowage {
namespace {

constexpr size_t kPathsPerCall = 1000;  // 250 KB of arguments at most
constexpr absl::Duration kTimeLimit = absl::Minutes(2);

// Runs nix-store with `paths` as the last arguments, in as many calls as they need.
absl::StatusOr<std::string> AskNixStore(const NixOptions& options,
                                        const std::vector<std::string>& arguments,
                                        const std::vector<std::string>& paths) {
  std::string output;
  for (size_t begin = 0; begin < paths.size(); begin += kPathsPerCall) {
    NixCall call;
    call.program = "nix-store";
    call.arguments = arguments;
    const size_t end = std::min(paths.size(), begin + kPathsPerCall);
    call.arguments.insert(call.arguments.end(), paths.begin() + begin, paths.begin() + end);
    CallLimits limits;
    limits.deadline = absl::Now() + kTimeLimit;
    STOWAGE_ASSIGN_OR_RETURN(const NixResult result, RunNix(options, call, limits));
    if (result.exit_code != 0) {
      const std::string reason = NixReason(result.standard_error);
      if (absl::StrContains(reason, "is not valid"))
        return absl::NotFoundError(absl::StrCat("store ", reason, "; resolve its image again"));
      return NixFailure(absl::StrCat("nix-store ", arguments[0]), reason);
    }
    output += result.standard_output;
  }
  return output;
}

std::vector<std::string> Texts(absl::Span<const StorePath> paths) {
  std::vector<std::string> texts;
  for (const StorePath& path : paths) texts.push_back(path.ToString());
  return texts;
}

// Reads the records of `nix-store --dump-db` (libstore, makeValidityRegistration): path, NAR hash
// in base 16, NAR size, deriver, number of references, references; a line each.
class Registrations {
 public:
  explicit Registrations(absl::string_view text) : lines_(absl::StrSplit(text, '\n')) {}

  absl::StatusOr<std::vector<ListedObject>> Read();
  uint32_t IndexOf(const std::string& path) {
    return index_of_path_.try_emplace(path, index_of_path_.size()).first->second;
  }

 private:
  absl::StatusOr<absl::string_view> Line() {
    if (next_ >= lines_.size()) return Malformed("ends inside a record");
    return lines_[next_++];
  }
  static absl::Status Malformed(absl::string_view why) {
    return absl::InternalError(absl::StrCat("nix-store --dump-db: ", why));
  }
  absl::StatusOr<ListedObject> ReadOne(absl::string_view path);

  const std::vector<absl::string_view> lines_;
  size_t next_ = 0;
  absl::flat_hash_map<std::string, uint32_t> index_of_path_;
};

absl::StatusOr<ListedObject> Registrations::ReadOne(absl::string_view path_line) {
  STOWAGE_ASSIGN_OR_RETURN(StorePath path, StorePath::Parse(path_line));
  STOWAGE_ASSIGN_OR_RETURN(const absl::string_view hash_line, Line());
  STOWAGE_ASSIGN_OR_RETURN(const Digest hash, Digest::FromHex(hash_line));
  STOWAGE_ASSIGN_OR_RETURN(const absl::string_view size_line, Line());
  STOWAGE_RETURN_IF_ERROR(Line().status());  // deriver
  STOWAGE_ASSIGN_OR_RETURN(const absl::string_view count_line, Line());
  uint64_t size = 0, count = 0;
  if (!absl::SimpleAtoi(size_line, &size) || !absl::SimpleAtoi(count_line, &count))
    return Malformed(absl::StrCat("no number where one should be, in the record of ", path_line));
  ListedObject object{std::move(path), hash, size, {}};
  for (uint64_t i = 0; i < count; ++i) {
    STOWAGE_ASSIGN_OR_RETURN(const absl::string_view reference, Line());
    object.references.push_back(IndexOf(std::string(reference)));
  }
  return object;
}

absl::StatusOr<std::vector<ListedObject>> Registrations::Read() {
  std::vector<ListedObject> objects;
  while (next_ < lines_.size() && !lines_[next_].empty()) {
    STOWAGE_ASSIGN_OR_RETURN(ListedObject object, ReadOne(lines_[next_++]));
    objects.push_back(std::move(object));
  }
  return objects;
}

}  // namespace

absl::StatusOr<Closure> CliClosureReader::Read(absl::Span<const StorePath> roots) {
  if (roots.empty()) return Closure();
  STOWAGE_ASSIGN_OR_RETURN(const std::string listed,
                           AskNixStore(options_, {"--query", "--requisites"}, Texts(roots)));
  std::vector<std::string> paths = absl::StrSplit(listed, '\n', absl::SkipEmpty());
  std::sort(paths.begin(), paths.end());
  paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
  STOWAGE_ASSIGN_OR_RETURN(const std::string records, AskNixStore(options_, {"--dump-db"}, paths));
  Registrations registrations(records);
  for (const std::string& path : paths) (void)registrations.IndexOf(path);  // in the order printed
  STOWAGE_ASSIGN_OR_RETURN(std::vector<ListedObject> objects, registrations.Read());
  for (size_t i = 0; i < objects.size(); ++i)
    if (i >= paths.size() || objects[i].path.ToString() != paths[i])
      return absl::InternalError("nix-store --dump-db: answered about other paths than asked for");
  std::vector<uint32_t> root_indices;
  for (const StorePath& root : roots)
    root_indices.push_back(registrations.IndexOf(root.ToString()));
  return AssembleClosure(std::move(objects), root_indices);
}

absl::Status CliClosureReader::CheckPathsValid(absl::Span<const StorePath> paths) {
  STOWAGE_ASSIGN_OR_RETURN(
      const std::string printed,
      AskNixStore(options_, {"--check-validity", "--print-invalid"}, Texts(paths)));
  const absl::flat_hash_set<std::string> invalid = absl::StrSplit(printed, '\n', absl::SkipEmpty());
  for (const StorePath& path : paths) {
    const std::string text = path.ToString();
    struct stat status;
    if (!invalid.contains(text) && ::lstat(text.c_str(), &status) == 0) continue;
    if (!invalid.contains(text) && errno != ENOENT)
      return absl::ErrnoToStatus(errno, absl::StrCat("stat ", text));
    return absl::NotFoundError(
        absl::StrCat("store path ", text, " is not there any more; resolve its image again"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::optional<Digest>>> CliClosureReader::NarHashes(
    absl::Span<const StorePath> paths) {
  STOWAGE_ASSIGN_OR_RETURN(
      const std::string printed,
      AskNixStore(options_, {"--check-validity", "--print-invalid"}, Texts(paths)));
  const absl::flat_hash_set<std::string> invalid = absl::StrSplit(printed, '\n', absl::SkipEmpty());
  std::vector<StorePath> valid;
  for (const StorePath& path : paths)
    if (!invalid.contains(path.ToString())) valid.push_back(path);
  absl::flat_hash_map<std::string, Digest> known;
  if (!valid.empty()) {
    STOWAGE_ASSIGN_OR_RETURN(const std::string records,
                             AskNixStore(options_, {"--dump-db"}, Texts(valid)));
    STOWAGE_ASSIGN_OR_RETURN(const std::vector<ListedObject> objects,
                             Registrations(records).Read());
    for (const ListedObject& object : objects)
      known.emplace(object.path.base_name(), object.nar_hash);
  }
  std::vector<std::optional<Digest>> hashes;
  for (const StorePath& path : paths) {
    const auto found = known.find(path.base_name());
    hashes.push_back(found == known.end() ? std::nullopt : std::optional(found->second));
  }
  return hashes;
}

}  // namespace stowage
