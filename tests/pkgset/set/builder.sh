# shellcheck shell=dash disable=SC2154,SC2115
# Unpacks $debs into $out with /usr flattened, then follows the plan:
#   e FILE INTERP RUNPATH   patch an ELF file      s FILE INTERPRETER ARGS   rewrite a #! line
#   l FILE TARGET           make a symlink         w FILE VAR=VALUE...       wrap a program in a script
# Run by busybox ash; every variable comes from nodes.nix.
set -e
export PATH="$bootstrap/bin"
umask 022

unpack() { # unpack .deb $1 into folder $2
  case "$(ar t "$1")" in
    *data.tar.xz*) ar p "$1" data.tar.xz | unxz ;;
    *data.tar.gz*) ar p "$1" data.tar.gz | gunzip ;;
    *) ar p "$1" data.tar ;;
  esac | tar x --no-same-permissions -o -C "$2"
}

merge() { # merge folder $1 into folder $2
  local entry name
  for entry in "$1"/* "$1"/.[!.]*; do
    [ -e "$entry" ] || [ -L "$entry" ] || continue
    name=${entry##*/}
    if [ -d "$2/$name" ] && [ ! -L "$entry" ] && [ -d "$entry" ]; then
      merge "$entry" "$2/$name"
    else
      mv -f "$entry" "$2/$name"
    fi
  done
}

run_patchelf() { # Debian's program under its own dynamic linker
  "$bootstrap/raw/$bootstrapLoader" \
    --library-path "$bootstrap/raw/lib/$bootstrapTriplet:$bootstrap/raw/usr/lib/$bootstrapTriplet" \
    "$bootstrap/raw/usr/bin/patchelf" "$@"
}

patch_elf() { # file, 1 if it names an interpreter, RUNPATH or -
  local file=$1 has_interpreter=$2 runpath=$3
  chmod u+w "$file"
  set --
  [ "$has_interpreter" = 1 ] && set -- --set-interpreter "$interpreter"
  [ "$runpath" = - ] || set -- "$@" --set-rpath "$runpath"
  [ $# = 0 ] || run_patchelf "$@" "$file"
}

wrap_program() { # file, VAR=VALUE...
  local file=$1 program
  program=${file%/*}/.${file##*/}-wrapped
  shift
  mv "$file" "$program"
  {
    echo "#!$shell"
    for assignment in "$@"; do echo "export $assignment"; done
    echo "exec -a \"\$0\" $program \"\$@\""
  } | sed "s|\$out|$out|g" > "$file"
  chmod +x "$file"
}

root=$NIX_BUILD_TOP/root
usr=$NIX_BUILD_TOP/usr
mkdir -p "$root" "$out"
for deb in $debs; do unpack "$deb" "$root"; done
chmod -R u+w "$root"
if [ -d "$root/usr" ] && [ ! -L "$root/usr" ]; then mv "$root/usr" "$usr"; else mkdir "$usr"; fi
merge "$usr" "$out"
merge "$root" "$out"
rm -rf "$out/share/lintian" "$out/share/bug" "$out/var" "$out/run"

while read -r action name first rest; do
  file=$out/$name
  # shellcheck disable=SC2086 # $first and $rest are lists
  case $action in
    e) [ ! -f "$file" ] || patch_elf "$file" "$first" "$rest" ;;
    s) [ ! -f "$file" ] || sed -i "1s|^.*|#!$first${rest:+ $rest}|" "$file" ;;
    l) mkdir -p "${file%/*}"
       { [ -e "$file" ] && [ ! -L "$file" ]; } || ln -sfn "$first" "$file" ;;
    w) wrap_program "$file" $first $rest ;;
  esac
done < "$planPath"

eval "$post"
if [ -n "$propagated" ]; then
  mkdir -p "$out/nix-support"
  echo "$propagated" > "$out/nix-support/propagated-build-inputs"
fi
if [ -n "$man" ]; then
  mkdir -p "$man/share"
  for folder in man info; do
    if [ -d "$out/share/$folder" ]; then mv "$out/share/$folder" "$man/share/$folder"; fi
  done
fi
exit 0
