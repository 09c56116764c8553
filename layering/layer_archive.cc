#include "layering/layer_archive.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/annotate.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "layering/layer_emitter.h"
#include "layering/layer_hash.h"
#include "layering/layer_index.h"
#include "layering/store_tree_walk.h"
#include "nix/store_path.h"

namespace stowage {
namespace {

constexpr absl::string_view kStorePrefix = "nix/store/";

absl::Status CheckBaseNames(absl::Span<const std::string> base_names) {
  for (size_t i = 0; i < base_names.size(); ++i) {
    const auto path = StorePath::FromBaseName(base_names[i]);
    if (!path.ok()) return Annotate(path.status(), "describe a layer");
    if (i > 0 && base_names[i] <= base_names[i - 1])
      return absl::InvalidArgumentError(
          absl::StrCat("describe a layer: ", base_names[i], " after ", base_names[i - 1],
                       "; store paths must be sorted and without duplicates"));
  }
  return absl::OkStatus();
}

absl::StatusOr<LayerIndex::EntryNumber> AddDirectory(LayerIndex& index,
                                                     LayerIndex::EntryNumber parent,
                                                     absl::string_view name) {
  return index.Add(parent, {TarEntry::Type::kDirectory, 0555, name, 0, ""});
}

}  // namespace

struct LayerArchive::Contents {
  UniqueFd root_fd;
  TreeRoot root;
  size_t below_root = 0;
  LayerIndex index;

  // O_PATH: the directory need not be readable, as /nix/store is not for everybody.
  static absl::StatusOr<std::unique_ptr<Contents>> Open(const std::string& directory, int flags) {
    STOWAGE_ASSIGN_OR_RETURN(UniqueFd fd, OpenAt(AT_FDCWD, directory, O_DIRECTORY | flags));
    auto contents = std::make_unique<Contents>();
    contents->root = {fd.get(), directory};
    contents->root_fd = std::move(fd);
    return contents;
  }
};

absl::StatusOr<LayerArchive> LayerArchive::ForStorePaths(const std::string& store_directory,
                                                         absl::Span<const std::string> base_names) {
  STOWAGE_RETURN_IF_ERROR(CheckBaseNames(base_names));
  STOWAGE_ASSIGN_OR_RETURN(auto contents, Contents::Open(store_directory, O_PATH));
  contents->below_root = kStorePrefix.size();
  LayerIndex& index = contents->index;
  STOWAGE_ASSIGN_OR_RETURN(const auto nix, AddDirectory(index, LayerIndex::kTop, "nix"));
  STOWAGE_ASSIGN_OR_RETURN(const auto store, AddDirectory(index, nix, "store"));
  for (const std::string& base_name : base_names)
    STOWAGE_RETURN_IF_ERROR(AddTree(contents->root, base_name, ModeRule::kStore, store, index));
  index.ShrinkToFit();
  return LayerArchive(std::move(contents));
}

absl::StatusOr<LayerArchive> LayerArchive::ForDirectory(const std::string& directory) {
  STOWAGE_ASSIGN_OR_RETURN(auto contents, Contents::Open(directory, O_RDONLY));
  STOWAGE_RETURN_IF_ERROR(AddContents(contents->root, ModeRule::kAsTheyAre, contents->index));
  contents->index.ShrinkToFit();
  return LayerArchive(std::move(contents));
}

LayerArchive::LayerArchive(std::unique_ptr<const Contents> contents)
    : contents_(std::move(contents)) {}
LayerArchive::LayerArchive(LayerArchive&&) noexcept = default;
LayerArchive& LayerArchive::operator=(LayerArchive&&) noexcept = default;
LayerArchive::~LayerArchive() = default;

uint64_t LayerArchive::size_bytes() const { return contents_->index.size_bytes(); }

absl::Status LayerArchive::Emit(uint64_t begin, uint64_t end, LayerSink& sink) const {
  if (begin > end || end > size_bytes())
    return absl::OutOfRangeError(
        absl::StrCat("bytes ", begin, " to ", end, " of a layer of ", size_bytes(), " bytes"));
  return LayerEmitter(contents_->index, contents_->root, contents_->below_root, sink, begin, end)
      .Run();
}

absl::StatusOr<LayerDigest> LayerArchive::Hash(
    const std::function<void(uint64_t)>& on_progress) const {
  HashingSink sink(on_progress);
  STOWAGE_RETURN_IF_ERROR(Emit(0, size_bytes(), sink));
  return LayerDigest{sink.Finish(), size_bytes()};
}

}  // namespace stowage
