# Attributes that go wrong or are odd, each in its way.
{ builders, packages }:
let
  inherit (builders) runCommand symlinkJoin writeTextFile;
  refuse = name: why: throw "Package ‘${name}-1.0’ in ${toString ./tests.nix}:1 ${why}, refusing to evaluate.";
in
rec {
  # evaluation
  evalThrow = throw "gone has been removed, as it was unmaintained";
  evalAbort = abort "this aborts";
  infinite = let x = x; in x;
  broken = refuse "broken" "is marked as broken";
  unfree = refuse "unfree" "has an unfree license (‘unfree’)";
  notADerivation = { a = 1; };
  function = { x }: x;
  string = "just a string";
  number = 42;
  importFromDerivation = packages.${(import (writeTextFile { name = "ifd.nix"; text = "{ name = \"hello\"; }"; })).name};

  # building
  buildFailure = runCommand "build-failure" { } "echo some output; echo compiling... >&2; exit 3";
  needsFailure = runCommand "needs-failure" { dep = buildFailure; } "touch $out";
  slow = runCommand "slow" { } "for i in $(seq 600); do echo step $i; sleep 1; done; touch $out";
  silent = runCommand "silent" { } "sleep 600; touch $out";
  chatty = runCommand "chatty" { } "for i in $(seq 20); do echo line $i; sleep 0.1; done; echo done > $out";
  flood = runCommand "flood" { } "seq 200000; touch $out";

  # contents
  multi = runCommand "multi" { outputs = [ "out" "dev" "doc" ]; } ''
    mkdir $out $dev $doc
    echo $out > $dev/ref
    echo hi > $doc/x
    echo a > $out/a
  '';
  textFile = writeTextFile { name = "plain.txt"; text = "a store path that is a file\n"; };
  symlink = runCommand "symlink" { } "ln -s ${textFile} $out";
  special = runCommand "special-files" { } ''
    mkdir -p "$out/a b/c" $out/emptydir
    echo x > "$out/a b/ü€"
    ln -s /nonexistent $out/dangling
    ln -s ../.. "$out/a b/up"
    touch $out/empty
    chmod +x $out/empty
    printf 'nl' > "$out/$(printf 'new\nline')"
    truncate -s 20M $out/sparse
    echo same > $out/one
    ln $out/one $out/two
  '';
  deep = runCommand "deep" { } "p=$out; for i in $(seq 60); do p=$p/d$i; done; mkdir -p $p; echo end > $p/f";
  wide = runCommand "wide" { } "mkdir $out; for i in $(seq 3000); do echo $i > $out/file$i; done";
  big = runCommand "big" { } "mkdir $out; head -c 300M /dev/zero | tr '\\0' 'x' > $out/blob";
  joined = symlinkJoin { name = "joined"; paths = [ packages.bash packages.coreutils ]; };
}
