# A little of what nixpkgs gives for building. Builder scripts end in `exit 0`: bash would otherwise exec() the last program,
# whose end closes the log's pipe before the exit, and Nix 2.8 then kills the build.
{ lib, native, bootstrap, buildSystem }:
let
  setup = builtins.toFile "setup.sh" ''
    export SOURCE_DATE_EPOCH=''${SOURCE_DATE_EPOCH:-315532800}
    export PATH=$initialPath
    for p in $buildInputs $nativeBuildInputs; do PATH=$p/bin:$PATH; done
    . "$buildCommandPath"
    exit 0
  '';
in
rec {
  runCommand = name: environment: buildCommand: derivation ({
    inherit name buildCommand;
    system = buildSystem;
    builder = "${native.bash}/bin/bash";
    args = [ "-e" setup ];
    initialPath = lib.makeBinPath (with native; [ coreutils findutils gnutar gnused gnugrep gawk gzip diffutils bash ]);
    passAsFile = [ "buildCommand" ];
  } // environment);

  writeTextFile = { name, text, executable ? false, destination ? "" }: derivation {
    inherit name text;
    system = buildSystem;
    builder = "${bootstrap}/bin/ash";
    passAsFile = [ "text" ];
    args = [ "-ec" ''
      PATH=${bootstrap}/bin
      target=$out${destination}
      mkdir -p "''${target%/*}"
      cp "$textPath" "$target"
      ${if executable then "chmod +x $target" else ""}
      exit 0
    '' ];
  };

  writeShellScriptBin = name: text: writeTextFile {
    inherit name;
    text = "#!${native.bash}/bin/bash\n${text}";
    executable = true;
    destination = "/bin/${name}";
  };

  symlinkJoin = { name, paths, postBuild ? "" }: runCommand name { inherit paths; } ''
    mkdir -p $out
    for p in $paths; do
      (cd $p
       find . -type d -print0 | while IFS= read -r -d "" d; do mkdir -p "$out/$d"; done
       find . ! -type d -print0 | while IFS= read -r -d "" f; do
         [ -e "$out/$f" ] || [ -L "$out/$f" ] || ln -s "$p/''${f#./}" "$out/$f"
       done)
    done
    ${postBuild}
  '';
}
