# One derivation per node of packages.json: the files of one or several .debs, patched to refer to each other.
{ lib, host, native, platforms, buildSystem }:
let
  inherit (builtins) map mapAttrs placeholder replaceStrings;
  deb = file: builtins.path {
    path = ./debs + "/${file.file}";
    name = replaceStrings [ "~" "%" ] [ "-" "-" ] file.file;
    recursive = false;
    inherit (file) sha256;
  };
  busybox = builtins.path { path = ./bootstrap; name = "bootstrap-busybox"; };

  # busybox's programs in bin/, Debian's patchelf and its libraries as they are in raw/
  bootstrap = derivation {
    name = "bootstrap-tools";
    system = buildSystem;
    builder = "${busybox}/busybox";
    debs = map deb native.bootstrap;
    args = [ "ash" "-ec" ''
      busybox=${busybox}/busybox
      $busybox mkdir -p $out/bin $out/raw
      for program in $($busybox --list); do $busybox ln -s $busybox $out/bin/$program; done
      export PATH=$out/bin
      for deb in $debs; do ar p $deb data.tar.xz | unxz | tar x --no-same-permissions -o -C $out/raw; done
      rm -rf $out/raw/usr/share
      exit 0
    '' ];
  };

  node = id: facts:
    let
      own = placeholder "out";
      at = other: if other == id then own else "${byName.${other}}";
      outputs = [ "out" ] ++ lib.optional facts.man "man";
      drv = derivation ({
        name = "${facts.pname}-${facts.version}";
        inherit (facts) pname version post;
        inherit outputs bootstrap;
        system = buildSystem;
        builder = "${bootstrap}/bin/ash";
        args = [ ./builder.sh ];
        debs = map deb facts.debs;
        bootstrapLoader = "lib/${native.triplet}/${native.ld}";
        bootstrapTriplet = native.triplet;
        interpreter = "${at "glibc"}/lib/${host.triplet}/${host.ld}";
        plan = replaceStrings ([ "@out@" ] ++ map (other: "@@${other}@@") facts.refs) ([ own ] ++ map at facts.refs) facts.plan;
        passAsFile = [ "plan" ];
        propagated = map (other: byName.${other}) facts.propagated;
      } // lib.optionalAttrs facts.wrapped { shell = "${at "bash"}/bin/bash"; });
    in
    drv // {
      inherit (facts) pname version;
      meta = {
        inherit (facts) description homepage;
        inherit (drv) name;
        inherit platforms;
        outputsToInstall = outputs;
        available = true;
      } // lib.optionalAttrs (facts.mainProgram != null) { inherit (facts) mainProgram; };
    };
  byName = mapAttrs node host.nodes;
in
{ inherit byName bootstrap; }
