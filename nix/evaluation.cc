#include "nix/evaluation.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "base/annotate.h"
#include "base/status_macros.h"
#include "nix/attribute_lookup.h"
#include "nix/attribute_path.h"
#include "nix/similar_names.h"

namespace stowage {
namespace {

using Status = AttributeLookup::Status;

// What is wrong with the names of one evaluation, by kind.
struct Problems {
  std::vector<std::string> missing;
  std::vector<std::string> invalid;
  std::vector<std::string> failing;
};

std::string Quoted(absl::string_view text) { return absl::StrCat("'", text, "'"); }

// A real attribute path as a person may type it in an image name; `exactly` keeps upper case.
std::string Typed(std::vector<std::string> parts, const std::string& last, bool exactly) {
  parts.push_back(last);
  if (!exactly)
    for (std::string& part : parts) absl::AsciiStrToLower(&part);
  else
    for (size_t i = 0; i + 1 < parts.size(); ++i) absl::AsciiStrToLower(&parts[i]);
  return EncodeAttributePath(parts);
}

std::string DescribeMissing(const std::string& name, const AttributeLookup& lookup) {
  std::string text = Quoted(name);
  std::vector<std::string> notes;
  if (!lookup.parent.empty())
    notes.push_back(absl::StrCat("no '", lookup.at, "' in ", absl::StrJoin(lookup.parent, ".")));
  const std::vector<std::string> similar = SimilarNames(lookup.at, lookup.names);
  if (!similar.empty())
    notes.push_back(absl::StrCat("did you mean ",
                                 absl::StrJoin(similar, " or ",
                                               [&](std::string* out, const std::string& s) {
                                                 absl::StrAppend(
                                                     out, Quoted(Typed(lookup.parent, s, false)));
                                               }),
                                 "?"));
  if (!notes.empty()) absl::StrAppend(&text, " (", absl::StrJoin(notes, "; "), ")");
  return text;
}

std::string DescribeAmbiguous(const std::string& name, const AttributeLookup& lookup) {
  std::vector<std::string> choices;
  for (const std::string& candidate : lookup.names) {
    std::vector<std::string> path = lookup.parent;
    path.push_back(candidate);
    choices.push_back(absl::StrCat(absl::StrJoin(path, "."), " (write ",
                                   Typed(lookup.parent, candidate, true), ")"));
  }
  return absl::StrCat(Quoted(name), " means several attributes: ", absl::StrJoin(choices, ", "));
}

std::string DescribeNoPackage(const std::string& name, const AttributeLookup& lookup) {
  const std::string text = absl::StrCat(Quoted(name), " is not a package but a ", lookup.kind);
  if (!absl::StartsWith(lookup.kind, "set")) return text;
  return absl::StrCat(text, "; name one inside, as in '", name, ".NAME'");
}

absl::StatusOr<EvaluatedPackage> PackageFrom(const std::string& name,
                                             const AttributeLookup& found) {
  absl::StatusOr<StorePath> out_path = StorePath::Parse(found.out);
  if (!out_path.ok())
    return absl::FailedPreconditionError(
        absl::StrCat(Quoted(name),
                     " has no output path that is known before it is built (a content-addressed "
                     "derivation), which is not supported"));
  return EvaluatedPackage{name,      found.attribute, found.derivation, found.output,
                          *out_path, found.pname,     found.version,    found.main_program};
}

absl::Status StatusOf(const Problems& problems, const std::string& set_path) {
  std::vector<std::string> parts;
  if (!problems.missing.empty())
    parts.push_back(absl::StrCat("not in the package set ", set_path, ": ",
                                 absl::StrJoin(problems.missing, ", "),
                                 "; names are looked up as they are, then regardless of case"));
  parts.insert(parts.end(), problems.invalid.begin(), problems.invalid.end());
  parts.insert(parts.end(), problems.failing.begin(), problems.failing.end());
  if (parts.empty()) return absl::OkStatus();
  const absl::StatusCode code = !problems.missing.empty()   ? absl::StatusCode::kNotFound
                                : !problems.invalid.empty() ? absl::StatusCode::kInvalidArgument
                                                            : absl::StatusCode::kFailedPrecondition;
  return absl::Status(code, absl::StrJoin(parts, "; "));
}

// One evaluation with everything it needs to say what failed.
class Run {
 public:
  Run(const NixOptions& options, const EvaluationRequest& request, const CallLimits& limits)
      : options_(options), request_(request), limits_(limits) {}

  absl::StatusOr<Evaluation> Evaluate();

 private:
  absl::Status Add(absl::Span<const std::string> names);
  absl::StatusOr<std::vector<AttributeLookup>> LookUp(std::vector<std::vector<std::string>> paths,
                                                      bool explain) const;
  absl::StatusOr<std::vector<AttributeLookup>> LookUpAll() const;
  absl::Status Sort(size_t index, const AttributeLookup& lookup, Evaluation& evaluation);
  absl::StatusOr<std::string> WhyItFails(size_t index) const;

  const NixOptions& options_;
  const EvaluationRequest& request_;
  const CallLimits& limits_;
  std::vector<std::string> names_;
  std::vector<std::vector<std::string>> paths_;
  Problems problems_;
};

absl::Status Run::Add(absl::Span<const std::string> names) {
  for (const std::string& name : names) {
    STOWAGE_ASSIGN_OR_RETURN(std::vector<std::string> path, DecodeAttributePath(name));
    names_.push_back(name);
    paths_.push_back(std::move(path));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<AttributeLookup>> Run::LookUp(
    std::vector<std::vector<std::string>> paths, bool explain) const {
  return LookUpAttributes(options_, {request_.set_path, request_.system, std::move(paths), explain},
                          limits_);
}

// All names in one call. What tryEval cannot catch ends that call for all of them, so then each
// name gets its own.
absl::StatusOr<std::vector<AttributeLookup>> Run::LookUpAll() const {
  absl::StatusOr<std::vector<AttributeLookup>> all = LookUp(paths_, false);
  if (!absl::IsFailedPrecondition(all.status())) return all;
  if (const absl::Status set = LookUp({}, false).status(); !set.ok())
    return Annotate(set, absl::StrCat("package set ", request_.set_path));
  std::vector<AttributeLookup> lookups;
  for (const std::vector<std::string>& path : paths_) {
    absl::StatusOr<std::vector<AttributeLookup>> one = LookUp({path}, false);
    if (!one.ok() && !absl::IsFailedPrecondition(one.status())) return one.status();
    lookups.push_back(one.ok() ? std::move(one->front()) : AttributeLookup());
  }
  return lookups;
}

absl::StatusOr<std::string> Run::WhyItFails(size_t index) const {
  const absl::Status status = LookUp({paths_[index]}, true).status();
  if (status.ok()) return std::string("failed, but not when tried again");
  if (!absl::IsFailedPrecondition(status)) return status;
  absl::string_view reason = status.message();
  (void)absl::ConsumePrefix(&reason, "evaluate: ");  // said already
  return std::string(reason);
}

absl::Status Run::Sort(size_t index, const AttributeLookup& lookup, Evaluation& evaluation) {
  const std::string& name = names_[index];
  switch (lookup.status) {
    case Status::kOk: {
      STOWAGE_ASSIGN_OR_RETURN(EvaluatedPackage package, PackageFrom(name, lookup));
      evaluation.packages.push_back(std::move(package));
      return absl::OkStatus();
    }
    case Status::kMissing:
      if (index < request_.names.size()) problems_.missing.push_back(DescribeMissing(name, lookup));
      return absl::OkStatus();
    case Status::kAmbiguous:
      problems_.invalid.push_back(DescribeAmbiguous(name, lookup));
      return absl::OkStatus();
    case Status::kNotAPackage:
      problems_.invalid.push_back(DescribeNoPackage(name, lookup));
      return absl::OkStatus();
    case Status::kFails: {
      STOWAGE_ASSIGN_OR_RETURN(const std::string reason, WhyItFails(index));
      problems_.failing.push_back(absl::StrCat(Quoted(name), " does not evaluate: ", reason));
      return absl::OkStatus();
    }
  }
  return absl::InternalError("evaluate: unknown status");
}

absl::StatusOr<Evaluation> Run::Evaluate() {
  STOWAGE_RETURN_IF_ERROR(Add(request_.names));
  STOWAGE_RETURN_IF_ERROR(Add(request_.optional_names));
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<AttributeLookup> lookups, LookUpAll());
  Evaluation evaluation;
  for (size_t i = 0; i < lookups.size(); ++i)
    STOWAGE_RETURN_IF_ERROR(Sort(i, lookups[i], evaluation));
  STOWAGE_RETURN_IF_ERROR(StatusOf(problems_, request_.set_path));
  return evaluation;
}

}  // namespace

absl::StatusOr<Evaluation> NixEvaluator::Evaluate(const EvaluationRequest& request,
                                                  const CallLimits& limits) {
  return Run(options_, request, limits).Evaluate();
}

}  // namespace stowage
