# A package set in nixpkgs' naming made of Debian's binaries; ../README.md says how. Everything builds inside Nix's
# sandbox: the builder is the static busybox in bootstrap/, the tools are store paths, no host program or network is used.
# `system` says whose binaries; builders always run on buildSystem, as nothing is compiled.
{ system ? builtins.currentSystem
, buildSystem ? "x86_64-linux"
, config ? { }
, overlays ? [ ]
, ...
}:
let
  inherit (builtins) attrNames filter foldl' fromJSON mapAttrs match pathExists readFile;
  lib = import ./lib.nix;
  database = fromJSON (readFile ./packages.json);
  part = s: database.systems.${s} or (throw "this package set has nothing for '${s}'");

  nodes = import ./nodes.nix {
    inherit lib buildSystem;
    host = part system;
    native = part buildSystem;
    platforms = attrNames database.systems;
  };
  native = if system == buildSystem then self else import ./. { system = buildSystem; inherit buildSystem; };
  builders = import ./builders.nix { inherit lib native buildSystem; inherit (nodes) bootstrap; };
  tests = import ./tests.nix { inherit builders; packages = self; };

  # attributes; a dot in a name nests
  dotted = name: match ".*\\..*" name != null;
  attributes = (part system).attrs;
  flat = mapAttrs (_: node: nodes.byName.${node}) (lib.filterAttrs (name: _: !(dotted name)) attributes);
  nested = foldl'
    (set: name: lib.recursiveUpdate set (lib.setAttrByPath (lib.splitString "." name) nodes.byName.${attributes.${name}}))
    { }
    (filter dotted (attrNames attributes));

  self = nested // flat // builders // {
    inherit lib config system tests;
    inherit (nodes) bootstrap;
    pkgsCross.aarch64-multiplatform = import ./. { system = "aarch64-linux"; inherit buildSystem; };
    # a set and an attribute in camelCase, and two names that differ in nothing but case, for look-ups in lower case
    haskellPackages = (nested.haskellPackages or { }) // { camelCaseTool = tests.textFile; };
    twins = { someTool = tests.textFile; SomeTool = tests.symlink; };
    synth = import ./synth.nix { inherit lib builders; };
  };
  # what one test needs for itself may stand beside this file
  own = if pathExists ./overlay.nix then [ (import ./overlay.nix) ] else [ ];
in
foldl' (set: overlay: set // overlay self set) self (overlays ++ own)
