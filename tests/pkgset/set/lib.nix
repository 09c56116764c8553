# The few functions of nixpkgs' lib that this set uses.
let
  inherit (builtins) attrNames concatStringsSep filter head isAttrs isString listToAttrs map mapAttrs replaceStrings split tail;
in
rec {
  escapeRegex = replaceStrings [ "." "+" "*" "?" ] [ "\\." "\\+" "\\*" "\\?" ];
  splitString = separator: text: filter isString (split (escapeRegex separator) text);
  setAttrByPath = path: value: if path == [ ] then value else { ${head path} = setAttrByPath (tail path) value; };
  isDerivation = value: isAttrs value && (value.type or null) == "derivation";
  recursiveUpdate = a: b:
    let
      nests = name: value: isAttrs value && isAttrs (a.${name} or null) && !(isDerivation value);
    in
    a // mapAttrs (name: value: if nests name value then recursiveUpdate a.${name} value else value) b;
  filterAttrs = predicate: set:
    listToAttrs (filter (x: predicate x.name x.value) (map (name: { inherit name; value = set.${name}; }) (attrNames set)));
  optional = condition: value: if condition then [ value ] else [ ];
  optionalAttrs = condition: value: if condition then value else { };
  makeBinPath = packages: concatStringsSep ":" (map (package: "${package}/bin") packages);
}
