# The one evaluation of an image: looks names up in a package set and says what a build needs.
#
# request: JSON { set, system, arguments, names, explain }.
#   set        path of the directory or file to import; a function of { system, ... }, or a plain attribute set
#   arguments  more arguments for that function
#   names      a list of attribute paths, each a list of strings
#   explain    true: what fails to evaluate ends the call, so that Nix prints why
#
# Result, one per name, in the same order:
#   { status = "ok"; attribute, derivation, output, out, pname, version, mainProgram }
#   { status = "missing"; at, parent, similar }     no attribute `at` in `parent`
#   { status = "ambiguous"; parent, candidates }    several attributes differ in nothing but case
#   { status = "not-a-package"; attribute, kind }
#   { status = "fails" }                            throw or assert; call again with explain = true
#
# tryEval does not catch abort, infinite recursion or type errors: the call ends with an error then.
{ request }:
let
  inherit (builtins)
    attrNames deepSeq elem filter fromJSON genList hasAttr head isAttrs isFunction isString length map replaceStrings
    seq stringLength substring tail typeOf unsafeDiscardStringContext;

  wanted = fromJSON request;
  tryEval = if wanted.explain then value: seq value { success = true; inherit value; } else builtins.tryEval;

  imported = import (/. + wanted.set);
  called = if isFunction imported then imported (wanted.arguments // { inherit (wanted) system; }) else imported;
  pkgs = if isAttrs called then called else throw "the package set is a ${typeOf called}, not an attribute set";

  characters = text: genList (i: substring i 1 text) (stringLength text);
  lower = replaceStrings (characters "ABCDEFGHIJKLMNOPQRSTUVWXYZ") (characters "abcdefghijklmnopqrstuvwxyz");
  startsWithDigit = name: elem (substring 0 1 name) (characters "0123456789");

  # The attributes of `set` that `name` can mean: itself, "_NAME" for a leading digit, or all that differ in case.
  candidates = set: name:
    let
      spellings = [ name ] ++ (if startsWithDigit name then [ "_${name}" ] else [ ]);
      exact = filter (spelling: hasAttr spelling set) spellings;
      folded = map lower spellings;
    in if exact != [ ] then [ (head exact) ] else filter (other: elem (lower other) folded) (attrNames set);

  # Attributes that begin alike, for a hint about a missing name.
  similar = set: name:
    filter (other: lower (substring 0 1 other) == lower (substring 0 1 name)) (attrNames set);

  walk = done: value: path:
    if path == [ ] then { status = "found"; attribute = done; inherit value; }
    else if !isAttrs value then { status = "missing"; at = head path; parent = done; similar = [ ]; }
    else
      let
        found = candidates value (head path);
        next = tryEval value.${head found};
      in
      if found == [ ] then {
        status = "missing"; at = head path; parent = done; similar = similar value (head path);
      }
      else if length found > 1 then { status = "ambiguous"; parent = done; candidates = found; }
      else if !next.success then { status = "fails"; }
      else walk (done ++ [ (head found) ]) next.value (tail path);

  # What a thing is that is no package.
  kind = value:
    if typeOf value == "lambda" then "function"
    else if isAttrs value then "set of ${toString (length (attrNames value))} attributes"
    else typeOf value;

  textOr = default: value:
    let result = tryEval (if isString value then unsafeDiscardStringContext value else default);
    in if result.success then result.value else default;

  describe = found:
    let
      package = found.value;
      isPackage = tryEval (isAttrs package && (package.type or null) == "derivation" && package ? drvPath);
      build = tryEval (let facts = {
        derivation = unsafeDiscardStringContext package.drvPath;
        out = unsafeDiscardStringContext package.outPath;
        output = package.outputName or "out";
      }; in deepSeq facts facts);
    in
    if !isPackage.success then { status = "fails"; }
    else if !isPackage.value then { status = "not-a-package"; inherit (found) attribute; kind = kind package; }
    else if !build.success then { status = "fails"; }
    else build.value // {
      status = "ok";
      inherit (found) attribute;
      pname = textOr "" (package.pname or "");
      version = textOr "" (package.version or "");
      mainProgram = textOr "" (package.meta.mainProgram or "");
    };

  resolve = path:
    let found = walk [ ] pkgs path; in if found.status == "found" then describe found else found;
in
seq pkgs (map resolve wanted.names)
