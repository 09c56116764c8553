#include "plugin/images/image_builder.h"

#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/annotate.h"
#include "base/atomic_file.h"
#include "base/directory.h"
#include "base/fault_point.h"
#include "base/parallel.h"
#include "base/status_macros.h"
#include "layering/layer_archive.h"
#include "layering/layer_key.h"
#include "layering/profile_archive.h"
#include "plugin/images/cache_key.h"
#include "plugin/images/object_paths.h"
#include "plugin/images/profile_record.h"

namespace stowage {

// An image in the making. Layers of store paths first, the profile layer last.
struct ImageBuilder::Draft {
  LayerPlan plan;
  std::vector<std::vector<ObjectRecord>> objects;  // per planned layer, sorted by base name
  std::vector<LayerRecord> layers;                 // filled one by one
  std::optional<Profile> profile;                  // set by AddProfile
  std::string recorded_by{};                       // ImageSummary::recorded_by
};

struct ImageBuilder::EncodedImage {
  std::string architecture;
  Document config;
  Document closure;
  Document manifest;
};

namespace {

ResolveProgress Step(ResolveProgress::Phase phase, std::string message) {
  ResolveProgress progress;
  progress.phase = phase;
  progress.message = std::move(message);
  return progress;
}

// The identity of a layer's bytes: names and contents. Names alone would not do: a path that was
// collected and built again may differ where its build is not reproducible.
Digest ContentKey(const std::vector<ObjectRecord>& objects) {
  std::vector<std::string> texts = {"stowage layer", absl::StrCat(kLayerFormatVersion)};
  for (const ObjectRecord& object : objects) {
    texts.push_back(object.base_name);
    texts.push_back(object.nar_hash.ToString());
  }
  return DelimitedDigest(texts);
}

std::vector<std::string> BaseNames(const std::vector<ObjectRecord>& objects) {
  std::vector<std::string> names;
  for (const ObjectRecord& object : objects) names.push_back(object.base_name);
  return names;
}

// The store paths of a layer that no other path of it refers to: rooting them roots the layer.
std::vector<StorePath> TopPaths(const Closure& closure, const std::vector<uint32_t>& members) {
  std::vector<bool> referred(closure.objects.size(), false);
  for (const uint32_t member : members) {
    for (const uint32_t reference : closure.objects[member].references) referred[reference] = true;
  }
  std::vector<StorePath> top;
  for (const uint32_t member : members) {
    if (!referred[member]) top.push_back(closure.objects[member].path);
  }
  return top;
}

const ProfileEntry* FindEntry(const Profile& profile, absl::string_view path) {
  const auto found = std::find_if(profile.entries.begin(), profile.entries.end(),
                                  [&](const ProfileEntry& entry) { return entry.path == path; });
  return found == profile.entries.end() ? nullptr : &*found;
}

bool HasProgram(const Profile& profile, absl::string_view name) {
  return !name.empty() && FindEntry(profile, absl::StrCat("bin/", name)) != nullptr;
}

// What the container runs when nothing is said: a shell if one was asked for, else the first
// package's program.
std::vector<std::string> Command(const ImageBuildRequest& request, const Profile& profile) {
  if (request.reference.shell() && HasProgram(profile, "bash")) return {"/bin/bash"};
  for (const RealisedPackage& package : request.packages) {
    if (package.origin != RealisedPackage::Origin::kAsked) continue;
    if (HasProgram(profile, package.main_program))
      return {absl::StrCat("/bin/", package.main_program)};
    break;
  }
  return {};
}

}  // namespace

absl::Status ImageBuilder::PlanLayers(const ImageBuildRequest& request, Draft& draft) {
  LayerGraph graph = LayerGraphOf(request.closure);
  graph.tiers.resize(2);
  for (size_t i = 0; i < request.packages.size(); ++i) {
    // A package that was asked for may be one of the shell's too; tiers are about store paths, not
    // about who asked.
    if (request.packages[i].origin == RealisedPackage::Origin::kAlways)
      graph.tiers[0].push_back(request.closure.roots[i]);
    if (request.packages[i].origin == RealisedPackage::Origin::kShell)
      graph.tiers[1].push_back(request.closure.roots[i]);
  }
  STOWAGE_ASSIGN_OR_RETURN(draft.plan, BuildLayerPlan(graph, options_.layering));
  for (const std::vector<uint32_t>& members : draft.plan.layers) {
    std::vector<ObjectRecord> objects;
    for (const uint32_t member : members) {
      const StoreObject& object = request.closure.objects[member];
      objects.push_back({0, object.path.base_name(), object.nar_hash});
    }
    std::sort(objects.begin(), objects.end(), [](const ObjectRecord& a, const ObjectRecord& b) {
      return a.base_name < b.base_name;
    });
    draft.objects.push_back(std::move(objects));
  }
  return absl::OkStatus();
}

absl::Status ImageBuilder::SettleLayer(const ImageBuildRequest& request,
                                       const LayerRecord& recorded, const LayerDigest& digest,
                                       const LayerArchive& archive,
                                       const std::vector<ObjectRecord>& objects) {
  if (!recorded.recorded_by.empty() && recorded.diff_id != digest.diff_id && options_.verify) {
    STOWAGE_ASSIGN_OR_RETURN(const std::vector<StorePath> paths, PathsOf(objects));
    STOWAGE_RETURN_IF_ERROR(
        Annotate(options_.verify(paths, request.stop),
                 absl::StrCat("layer ", recorded.diff_id.ToString(), " is not what ",
                              recorded.recorded_by, " has recorded, and")));
    // They may have been repaired between the two.
    STOWAGE_ASSIGN_OR_RETURN(const LayerDigest again, archive.Hash(nullptr));
    if (again.diff_id != digest.diff_id)
      return absl::UnavailableError(
          "store paths were changed while they were hashed; pull the image again");
  }
  return catalog_.Hashed(recorded, digest);
}

absl::Status ImageBuilder::HashLayer(const ImageBuildRequest& request, size_t index,
                                     const std::function<void(uint64_t)>& progress, Draft& draft) {
  const std::vector<ObjectRecord>& objects = draft.objects[index];
  STOWAGE_ASSIGN_OR_RETURN(
      const LayerArchive archive,
      LayerArchive::ForStorePaths(options_.store_directory, BaseNames(objects)));
  STOWAGE_ASSIGN_OR_RETURN(const LayerDigest digest, archive.Hash(progress));
  LayerRecord& layer = draft.layers[index];
  layer.diff_id = digest.diff_id;
  layer.size_bytes = digest.size_bytes;
  layer.recorded_by.clear();
  if (layer.id == 0) {
    STOWAGE_ASSIGN_OR_RETURN(layer.id, catalog_.table().Record(layer, objects));
  }
  // Another's record, be it that it came meanwhile, is settled.
  STOWAGE_ASSIGN_OR_RETURN(const LayerRecord recorded, catalog_.table().FindById(layer.id));
  if (recorded.recorded_by.empty() && recorded.diff_id == digest.diff_id) return absl::OkStatus();
  return SettleLayer(request, recorded, digest, archive, objects);
}

absl::Status ImageBuilder::HashLayers(const ImageBuildRequest& request, const Report& report,
                                      Draft& draft) {
  std::vector<size_t> unknown;
  std::vector<uint64_t> nar_bytes;
  uint64_t total = 0;
  for (size_t i = 0; i < draft.objects.size(); ++i) {
    const Digest key = ContentKey(draft.objects[i]);
    auto known = catalog_.table().FindByContent(key);
    if (!known.ok() && !absl::IsNotFound(known.status())) return known.status();
    // The placeholder's digest is replaced by HashLayer.
    draft.layers.push_back(known.ok() ? *known
                                      : LayerRecord{0, LayerKind::kStorePaths, key, key, 0, false});
    uint64_t bytes = 0;
    for (const uint32_t member : draft.plan.layers[i])
      bytes += request.closure.objects[member].nar_size_bytes;
    nar_bytes.push_back(bytes);
    if (known.ok() && known->recorded_by.empty()) continue;
    unknown.push_back(i);
    total += bytes;
  }
  if (unknown.empty()) return absl::OkStatus();
  // The largest first, so that no core is left with a long one at the end.
  std::sort(unknown.begin(), unknown.end(), [&](size_t a, size_t b) {
    return std::pair(nar_bytes[b], a) < std::pair(nar_bytes[a], b);
  });
  std::atomic<uint64_t> hashed = 0;
  std::atomic<uint64_t> reported = 0;
  const auto progress = [&](uint64_t bytes) {
    const uint64_t now = hashed += bytes;
    uint64_t last = reported;
    if (now < last + (uint64_t{16} << 20) || !reported.compare_exchange_strong(last, now)) return;
    ResolveProgress event = Step(ResolveProgress::Phase::kHash,
                                 absl::StrCat("hashing ", unknown.size(), " new layers"));
    event.done = std::min(now, total);
    event.total = total;
    report(std::move(event));
  };
  report(
      Step(ResolveProgress::Phase::kHash, absl::StrCat("hashing ", unknown.size(), " new layers")));
  return ParallelFor(unknown.size(), AvailableCpus(), [&](size_t i) -> absl::Status {
    if (request.stop.stop_requested()) return absl::CancelledError("stowaged is stopping");
    return HashLayer(request, unknown[i], progress, draft);
  });
}

absl::StatusOr<LayerRecord> ImageBuilder::WriteProfileLayer(const Profile& profile,
                                                            const Digest& content_key) {
  // A name of this call's own: two references can need one profile at the same time. What a crash
  // leaves is removed by LayerCatalog.
  static std::atomic<uint64_t> calls = 0;
  const std::string fresh =
      absl::StrCat(options_.state_directory, "/profiles/new-", ::getpid(), "-", ++calls);
  STOWAGE_RETURN_IF_ERROR(WriteProfile(profile, fresh));
  STOWAGE_ASSIGN_OR_RETURN(const LayerArchive archive, LayerArchive::ForDirectory(fresh));
  STOWAGE_ASSIGN_OR_RETURN(const LayerDigest digest, archive.Hash(nullptr));
  LayerRecord layer = {0,    LayerKind::kProfile, content_key, digest.diff_id, digest.size_bytes,
                       false};
  const std::string directory = catalog_.ProfileDirectory(layer);
  if (::rename(fresh.c_str(), directory.c_str()) != 0) {
    const int error = errno;
    STOWAGE_RETURN_IF_ERROR(RemoveTree(fresh));
    // Another build of the same profile was faster: the name is the content's digest, so what is
    // there is the same.
    if (error != EEXIST && error != ENOTEMPTY)
      return absl::ErrnoToStatus(error, absl::StrCat("rename ", fresh, " to ", directory));
  }
  STOWAGE_FAULT_POINT("image.profile.placed");
  STOWAGE_RETURN_IF_ERROR(SyncDirectory(options_.state_directory + "/profiles"));
  STOWAGE_ASSIGN_OR_RETURN(layer.id, catalog_.table().Record(layer, {}));
  return layer;
}

absl::Status ImageBuilder::AddProfile(const ImageBuildRequest& request, Draft& draft) {
  ProfileOptions options;
  options.store_directory = options_.store_directory;
  for (const RealisedPackage& package : request.packages)
    options.packages.push_back(package.out_path.base_name());
  STOWAGE_ASSIGN_OR_RETURN(draft.profile, ComposeProfile(options));
  const Digest content_key = ProfileContentKey(draft.profile->key);
  auto known = catalog_.table().FindByContent(content_key);
  if (!known.ok() && !absl::IsNotFound(known.status())) return known.status();
  if (known.ok() && DirectoryExists(catalog_.ProfileDirectory(*known))) {
    draft.layers.push_back(*known);
  } else {
    STOWAGE_ASSIGN_OR_RETURN(LayerRecord layer, WriteProfileLayer(*draft.profile, content_key));
    draft.layers.push_back(std::move(layer));
  }
  return RecordProfile(options_.state_directory, draft.layers.back().diff_id, *draft.profile);
}

absl::Status ImageBuilder::Keep(const ImageBuildRequest& request, Draft& draft) {
  std::vector<int64_t> ids;
  for (size_t i = 0; i < draft.layers.size(); ++i) {
    LayerRecord& layer = draft.layers[i];
    ids.push_back(layer.id);
    if (catalog_.HasRoots(layer)) continue;
    const std::vector<StorePath> top = i < draft.plan.layers.size()
                                           ? TopPaths(request.closure, draft.plan.layers[i])
                                           : std::vector<StorePath>();
    STOWAGE_RETURN_IF_ERROR(catalog_.Root(layer, top));
    layer.rooted = true;
  }
  return catalog_.table().Hold(ids, absl::Now() + options_.hold);
}

ImageDescription ImageBuilder::Describe(const ImageBuildRequest& request,
                                        const Draft& draft) const {
  ImageDescription image;
  image.architecture = std::string(request.reference.architecture());
  for (size_t i = 0; i < draft.layers.size(); ++i) {
    const LayerRecord& record = draft.layers[i];
    ImageLayer layer = {record.content_key,
                        record.diff_id,
                        record.size_bytes,
                        {},
                        record.kind == LayerKind::kProfile};
    if (!layer.is_profile) {
      layer.layer_key = LayerKey(BaseNames(draft.objects[i]));
      for (const uint32_t member : draft.plan.layers[i])
        layer.package_names.emplace_back(request.closure.objects[member].path.name());
    }
    image.layers.push_back(std::move(layer));
  }
  image.command = Command(request, *draft.profile);
  image.environment = {"PATH=/bin"};
  if (FindEntry(*draft.profile, "etc/ssl/certs/ca-bundle.crt") != nullptr ||
      FindEntry(*draft.profile, "etc/ssl") != nullptr)
    image.environment.push_back("SSL_CERT_FILE=/etc/ssl/certs/ca-bundle.crt");
  image.labels["io.stowage.reference"] = absl::StrCat("nix/", request.reference.name());
  image.labels["org.opencontainers.image.title"] = request.reference.name();
  if (draft.recorded_by == kProvisional) image.labels["io.stowage.provisional"] = "true";
  if (!request.source_url.empty()) {
    image.labels["org.opencontainers.image.source"] = request.source_url;
    image.labels["org.opencontainers.image.revision"] = request.revision;
  }
  return image;
}

absl::StatusOr<ImageBuilder::EncodedImage> ImageBuilder::Encode(const ImageBuildRequest& request,
                                                                const Draft& draft) const {
  const ImageDescription description = Describe(request, draft);
  STOWAGE_ASSIGN_OR_RETURN(Document config, EncodeImageConfig(description));
  Document closure = EncodeClosureDocument(request.closure, draft.plan.layers);
  Document manifest = EncodeManifest(description, config, closure);
  return EncodedImage{description.architecture, std::move(config), std::move(closure),
                      std::move(manifest)};
}

absl::StatusOr<ImageRecord> ImageBuilder::Record(const ImageBuildRequest& request,
                                                 const EncodedImage& documents,
                                                 const Draft& draft) {
  const auto& [architecture, config, closure, manifest] = documents;
  const Document referrer = EncodeClosureReferrer(manifest, closure);
  std::vector<Digest> diff_ids;
  std::vector<int64_t> ids;
  for (const LayerRecord& layer : draft.layers) {
    diff_ids.push_back(layer.diff_id);
    ids.push_back(layer.id);
  }
  const std::vector<Digest> chain_ids = ChainIds(diff_ids);
  STOWAGE_RETURN_IF_ERROR(catalog_.table().RecordChains(chain_ids, ids));
  ImageSummary summary;
  summary.source = request.source;
  summary.revision = request.revision;
  summary.architecture = architecture;
  summary.store_path_count = request.closure.objects.size();
  for (const StoreObject& object : request.closure.objects)
    summary.nar_size_bytes += object.nar_size_bytes;
  summary.warnings = draft.profile->conflicts;
  summary.recorded_by = draft.recorded_by;
  ImageRecord image = {0,
                       request.cache_key,
                       request.reference.name(),
                       manifest.digest,
                       config.digest,
                       chain_ids.back(),
                       std::move(summary)};
  STOWAGE_ASSIGN_OR_RETURN(
      image.id,
      images_.Record({image, ids, {manifest, referrer}, {config, closure, EmptyDocument()}}));
  return image;
}

absl::Status ImageBuilder::Show(const Draft& draft) {
  std::vector<int64_t> ids;
  for (const LayerRecord& layer : draft.layers) ids.push_back(layer.id);
  // All of them are there and held, with the recorded narHashes.
  STOWAGE_RETURN_IF_ERROR(catalog_.KeepPromises(ids));
  if (!options_.prepare_views) return absl::OkStatus();
  const absl::Span<const LayerRecord> run(draft.layers.data(), draft.plan.layers.size());
  return catalog_.drivers().Prepare(run);
}

absl::StatusOr<ImageRecord> ImageBuilder::Build(const ImageBuildRequest& request,
                                                const Report& report) {
  const absl::ReaderMutexLock keep_collecting_away(&catalog_.collecting());
  Draft draft;
  report(Step(ResolveProgress::Phase::kClosure,
              absl::StrCat(request.closure.objects.size(), " store paths")));
  STOWAGE_RETURN_IF_ERROR(PlanLayers(request, draft));
  STOWAGE_RETURN_IF_ERROR(Annotate(HashLayers(request, report, draft), "hash the layers"));
  STOWAGE_FAULT_POINT("image.build.hashed");
  STOWAGE_RETURN_IF_ERROR(Annotate(AddProfile(request, draft), "compose the profile layer"));
  report(Step(ResolveProgress::Phase::kRecord, "recording the image"));
  STOWAGE_RETURN_IF_ERROR(Annotate(Keep(request, draft), "root the layers"));
  STOWAGE_FAULT_POINT("image.build.kept");
  STOWAGE_ASSIGN_OR_RETURN(const EncodedImage documents, Encode(request, draft));
  STOWAGE_RETURN_IF_ERROR(Show(draft));
  return Record(request, documents, draft);
}

absl::StatusOr<LayerRecord> ImageBuilder::GivenProfileLayer(const Profile& profile) {
  const Digest content_key = ProfileContentKey(profile.key);
  auto layer = catalog_.table().FindByContent(content_key);
  if (absl::IsNotFound(layer.status())) layer = WriteProfileLayer(profile, content_key);
  STOWAGE_RETURN_IF_ERROR(layer.status());
  STOWAGE_RETURN_IF_ERROR(RecordProfile(options_.state_directory, layer->diff_id, profile));
  return layer;
}

absl::Status ImageBuilder::AdoptLayers(const ReceivedImage& received, const std::string& source,
                                       Draft& draft) {
  const std::vector<ReceivedLayer>& layers = received.manifest.layers;
  if (layers.size() != draft.objects.size() + 1)
    return absl::FailedPreconditionError(
        absl::StrCat("it has ", layers.size(), " layers there and would have ",
                     draft.objects.size() + 1, " here: is [layering] the same on both?"));
  for (size_t i = 0; i < draft.objects.size(); ++i) {
    const auto& [diff_id, size_bytes] = layers[i];
    const Digest key = ContentKey(draft.objects[i]);
    const auto known = catalog_.table().FindByContent(key);
    const auto same = catalog_.table().FindByDiffId(diff_id);
    if ((known.ok() && known->diff_id != diff_id) || (same.ok() && same->content_key != key))
      return absl::FailedPreconditionError(
          absl::StrCat("it has the diff_id ", diff_id.ToString(), " there for a layer of ",
                       draft.objects[i].front().base_name,
                       known.ok() ? absl::StrCat(", which is ", known->diff_id.ToString(), " here")
                                  : ", which is another layer's here"));
    draft.layers.push_back(known.ok() ? *known
                                      : LayerRecord{0, LayerKind::kStorePaths, key, diff_id,
                                                    size_bytes, false, source});
  }
  // Written once all of the image is found to be right.
  draft.layers.push_back({0, LayerKind::kProfile, ProfileContentKey(draft.profile->key),
                          layers.back().diff_id, layers.back().size_bytes, false});
  return absl::OkStatus();
}

absl::StatusOr<ImageRecord> ImageBuilder::Adopt(const ImageBuildRequest& request,
                                                const ReceivedImage& received,
                                                const std::string& source) {
  const absl::ReaderMutexLock keep_collecting_away(&catalog_.collecting());
  Draft draft;
  draft.recorded_by = source;
  STOWAGE_RETURN_IF_ERROR(PlanLayers(request, draft));
  size_t planned = 0;
  for (const std::vector<uint32_t>& members : draft.plan.layers) planned += members.size();
  if (planned != request.closure.objects.size())
    return absl::FailedPreconditionError(
        absl::StrCat("it has ", request.closure.objects.size() - planned,
                     " store paths there that none of the packages refers to"));
  draft.profile = received.profile;
  std::vector<std::string> packages;
  for (const RealisedPackage& package : request.packages)
    packages.push_back(package.out_path.base_name());
  STOWAGE_RETURN_IF_ERROR(CheckProfile(received.profile, packages));
  STOWAGE_RETURN_IF_ERROR(AdoptLayers(received, source, draft));
  STOWAGE_ASSIGN_OR_RETURN(const EncodedImage documents, Encode(request, draft));
  // Covers all that was read: closure, layers, command, labels.
  if (documents.closure.digest != received.manifest.closure_digest)
    return absl::FailedPreconditionError(
        "this node would put other store paths into its layers: is [layering] the same on both?");
  if (documents.manifest.digest != received.manifest.digest)
    return absl::FailedPreconditionError(absl::StrCat("this node would make it with the image ID ",
                                                      documents.config.digest.ToString(), ", not ",
                                                      received.manifest.config_digest.ToString(),
                                                      ": are [source] and [packages] the same on "
                                                      "both?"));
  STOWAGE_ASSIGN_OR_RETURN(LayerRecord profile, GivenProfileLayer(*draft.profile));
  // The archive is canonical, so this is an error of this program or of the disk.
  if (profile.diff_id != draft.layers.back().diff_id)
    return absl::InternalError(absl::StrCat("the profile has the diff_id ",
                                            profile.diff_id.ToString(), " here and ",
                                            draft.layers.back().diff_id.ToString(), " there"));
  draft.layers.back() = std::move(profile);
  for (size_t i = 0; i < draft.objects.size(); ++i) {
    STOWAGE_ASSIGN_OR_RETURN(draft.layers[i].id,
                             catalog_.table().Record(draft.layers[i], draft.objects[i]));
    STOWAGE_ASSIGN_OR_RETURN(const LayerRecord recorded,
                             catalog_.table().FindById(draft.layers[i].id));
    if (recorded.diff_id != draft.layers[i].diff_id)
      return absl::FailedPreconditionError(
          absl::StrCat("it has the diff_id ", draft.layers[i].diff_id.ToString(),
                       " there for a layer that is ", recorded.diff_id.ToString(), " here"));
  }
  return Record(request, documents, draft);
}

absl::StatusOr<ImageRecord> ImageBuilder::MakeProvisional(const ImageBuildRequest& request,
                                                          const ProvisionalProfile& profile) {
  const absl::ReaderMutexLock keep_collecting_away(&catalog_.collecting());
  Draft draft;
  draft.recorded_by = kProvisional;
  STOWAGE_RETURN_IF_ERROR(PlanLayers(request, draft));
  draft.profile = profile.profile;
  const absl::flat_hash_map<std::string, Digest> listed(profile.listed.begin(),
                                                        profile.listed.end());
  for (size_t i = 0; i < draft.objects.size(); ++i) {
    const std::string content_key = ContentKey(draft.objects[i]).ToString();
    LayerRecord layer = {0,
                         LayerKind::kStorePaths,
                         DelimitedDigest({"stowage provisional layer 1", content_key}),
                         DelimitedDigest({"stowage provisional diff_id 1", content_key}),
                         0,
                         false,
                         kProvisional};
    for (const uint32_t member : draft.plan.layers[i])
      layer.size_bytes += request.closure.objects[member].nar_size_bytes;
    STOWAGE_ASSIGN_OR_RETURN(layer.id, catalog_.table().Record(layer, draft.objects[i]));
    STOWAGE_ASSIGN_OR_RETURN(const std::vector<ObjectRecord> objects,
                             catalog_.table().Objects({layer.id}));
    for (const ObjectRecord& object : objects) {
      const auto tree = listed.find(object.base_name);
      if (tree == listed.end()) continue;
      STOWAGE_RETURN_IF_ERROR(catalog_.expected_trees().Expect(object.number, tree->second));
      STOWAGE_FAULT_POINT("image.provisional.expected");
    }
    draft.layers.push_back(std::move(layer));
  }
  STOWAGE_ASSIGN_OR_RETURN(LayerRecord profile_layer, GivenProfileLayer(*draft.profile));
  draft.layers.push_back(std::move(profile_layer));
  STOWAGE_ASSIGN_OR_RETURN(const EncodedImage documents, Encode(request, draft));
  return Record(request, documents, draft);
}

}  // namespace stowage
