#pragma once

namespace stowage {

// Labels that containerd and we agree on; "containerd.io/snapshot.ref" stands in
// plugin/snapshots/snapshotter.h.

// Set by our snapshotter, and only by it, to "true" on committed snapshots that stand for layers in
// the Nix store. It lies outside containerd.io/snapshot/, so no image annotation can be inherited
// into it, and containerd's Stat shows it because the snapshotter's labels win there
// (containerd core/metadata/snapshot.go overlayInfo).
inline constexpr char kRemoteLayerLabel[] = "stowage.remote";

// On a blob: "<prefix><name>" = digest of a blob that must live as long.
inline constexpr char kGcContentRefPrefix[] = "containerd.io/gc.ref.content.";
// On a blob: "<prefix><snapshotter>" = name of a snapshot that must live as long.
inline constexpr char kGcSnapshotRefPrefix[] = "containerd.io/gc.ref.snapshot.";
// On a lease: RFC 3339 time after which garbage collection may drop it.
inline constexpr char kGcExpireLabel[] = "containerd.io/gc.expire";

}  // namespace stowage
