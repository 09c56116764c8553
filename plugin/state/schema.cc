#include "plugin/state/schema.h"

namespace stowage {

// Times are nanoseconds since 1970. Digests are text "sha256:...". Row ids are never used twice
// (AUTOINCREMENT): they are part of directory names and of inode numbers that a kernel may
// remember.
const char kSchema[] = R"sql(
-- One row per store path and content ever shown or served (a path that was collected and built again may have other bytes).
-- The number is in the name of its index file and in FUSE node ids.
CREATE TABLE objects(
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  base_name TEXT NOT NULL,
  nar_hash TEXT NOT NULL,
  UNIQUE(base_name, nar_hash));

-- Layers that were hashed here, or by the Stowage whose record of them was taken. Remembered for ever: the same content key
-- always has the same diff_id.
CREATE TABLE layers(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  content_key TEXT NOT NULL UNIQUE,   -- see ContentKey in plugin/images/image_builder.cc
  kind INTEGER NOT NULL,              -- 0 store paths, 1 profile
  diff_id TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  rooted INTEGER NOT NULL DEFAULT 0,  -- 1: held, with GC roots (LayerCatalog::HasRoots)
  hold_until INTEGER NOT NULL DEFAULT 0,  -- the roots stay at least until then
  recorded_by TEXT NOT NULL DEFAULT '');  -- whose word the diff_id is: URL of another Stowage; '' once it was hashed here
CREATE INDEX layers_by_diff_id ON layers(diff_id);
CREATE INDEX layers_by_hold ON layers(hold_until) WHERE rooted=1;
CREATE INDEX layers_to_hash ON layers(recorded_by) WHERE recorded_by != '';

CREATE TABLE layer_objects(
  layer_id INTEGER NOT NULL REFERENCES layers(id),
  position INTEGER NOT NULL,
  object_number INTEGER NOT NULL REFERENCES objects(number),
  PRIMARY KEY(layer_id, position)) WITHOUT ROWID;
CREATE INDEX layer_objects_by_object ON layer_objects(object_number);

-- Chain IDs (image-spec, config.md) made of layers above: chain = parent chain + one layer.
CREATE TABLE chains(
  chain_id TEXT PRIMARY KEY,
  parent_chain_id TEXT NOT NULL,      -- '' for the first layer
  layer_id INTEGER NOT NULL REFERENCES layers(id)) WITHOUT ROWID;

-- A run of store-path layers as one directory of the FUSE mount.
CREATE TABLE views(
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  view_key TEXT NOT NULL UNIQUE);     -- digest over format version and the run's content keys in order

CREATE TABLE view_layers(
  view_number INTEGER NOT NULL REFERENCES views(number) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  layer_id INTEGER NOT NULL REFERENCES layers(id),
  PRIMARY KEY(view_number, position)) WITHOUT ROWID;
CREATE INDEX view_layers_by_layer ON view_layers(layer_id);

-- Manifests, configs and closure documents.
CREATE TABLE documents(
  digest TEXT PRIMARY KEY,
  kind INTEGER NOT NULL,              -- 0 manifest (referrers too), 1 blob (config, closure document);
                                      -- 2 and 3 the same, for this node only: nobody has made the image here yet
  media_type TEXT NOT NULL,
  subject TEXT NOT NULL DEFAULT '',   -- of a referrer: the manifest it is about
  content BLOB NOT NULL);
CREATE INDEX documents_by_subject ON documents(subject) WHERE subject != '';

CREATE TABLE images(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  cache_key TEXT NOT NULL UNIQUE,     -- see plugin/images/cache_key.h
  name TEXT NOT NULL,                 -- canonical reference without tag
  manifest_digest TEXT NOT NULL,
  config_digest TEXT NOT NULL,
  chain_id TEXT NOT NULL,
  summary TEXT NOT NULL,              -- JSON: what `stowage inspect` shows
  made_at INTEGER NOT NULL);
CREATE INDEX images_by_manifest ON images(manifest_digest);

CREATE TABLE image_layers(
  image_id INTEGER NOT NULL REFERENCES images(id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  layer_id INTEGER NOT NULL REFERENCES layers(id),
  PRIMARY KEY(image_id, position)) WITHOUT ROWID;
CREATE INDEX image_layers_by_layer ON image_layers(layer_id);

-- Which image a tag meant when it was last resolved.
CREATE TABLE tags(
  name TEXT NOT NULL,
  tag TEXT NOT NULL,
  image_id INTEGER NOT NULL REFERENCES images(id) ON DELETE CASCADE,
  revision TEXT NOT NULL,
  resolved_at INTEGER NOT NULL,
  PRIMARY KEY(name, tag)) WITHOUT ROWID;

-- containerd's snapshots. key: the name of a committed snapshot, else its key.
CREATE TABLE snapshots(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT NOT NULL UNIQUE,
  parent_id INTEGER REFERENCES snapshots(id),
  kind INTEGER NOT NULL,              -- as on the wire: 1 view, 2 active, 3 committed
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  chain_id TEXT NOT NULL DEFAULT '',  -- of remote snapshots; '' for ordinary ones
  usage_bytes INTEGER NOT NULL DEFAULT 0,   -- of committed snapshots
  usage_inodes INTEGER NOT NULL DEFAULT 0,
  driver INTEGER NOT NULL DEFAULT 0);  -- how its mounts show layers of the store: 0 FUSE, 1 overlayfs alone
CREATE INDEX snapshots_by_parent ON snapshots(parent_id);
-- containerd finds a remote snapshot by its chain ID and its parent.
CREATE UNIQUE INDEX snapshots_remote ON snapshots(chain_id, ifnull(parent_id, 0)) WHERE chain_id != '';

CREATE TABLE snapshot_labels(
  snapshot_id INTEGER NOT NULL REFERENCES snapshots(id) ON DELETE CASCADE,
  label TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY(snapshot_id, label)) WITHOUT ROWID;
CREATE INDEX snapshot_labels_by_value ON snapshot_labels(label, value);

-- The layers, base first, that a remote snapshot adds to its parent; rows here keep layers alive.
CREATE TABLE snapshot_layers(
  snapshot_id INTEGER NOT NULL REFERENCES snapshots(id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  layer_id INTEGER NOT NULL REFERENCES layers(id),
  PRIMARY KEY(snapshot_id, position)) WITHOUT ROWID;
CREATE INDEX snapshot_layers_by_layer ON snapshot_layers(layer_id);

-- A layer that was just taken for collection has no roots any longer; a snapshot that wants it is told at once.
CREATE TRIGGER snapshot_layers_are_rooted BEFORE INSERT ON snapshot_layers
WHEN (SELECT rooted FROM layers WHERE id=NEW.layer_id) IS NOT 1
BEGIN SELECT RAISE(ABORT, 'the layer is not held any longer: pull the image again'); END;
)sql";

const char kUpgradeOfVersionBefore[] = R"sql(
ALTER TABLE layers ADD COLUMN recorded_by TEXT NOT NULL DEFAULT '';
CREATE INDEX layers_to_hash ON layers(recorded_by) WHERE recorded_by != '';
)sql";

}  // namespace stowage
