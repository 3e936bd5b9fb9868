#include "cli/explain.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>

#include "cli/terminal.h"
#include "client/error_detail.h"

namespace coterie::cli {
namespace {

constexpr char kFixUrl[] = "coterie.dev/cli.fix";

std::string FixOf(const absl::Status& status) {
  const absl::optional<absl::Cord> fix = status.GetPayload(kFixUrl);
  return fix ? std::string(*fix) : std::string();
}

// "expires in 1m42s", or how else the lock ends.
std::string LockEnd(const client::ErrorDetail& detail) {
  std::int64_t expires_ms = 0;
  if (!absl::SimpleAtoi(detail.Get("expires_at_ms"), &expires_ms) || expires_ms == 0) {
    return "it ends when the holder unlocks or leaves";
  }
  const absl::Duration left = absl::FromUnixMillis(expires_ms) - absl::Now();
  if (left <= absl::ZeroDuration()) return "it is about to expire";
  return absl::StrCat("it expires in ", DurationText(left));
}

Explanation ExplainConflict(const absl::Status& status, const client::ErrorDetail& detail) {
  const std::string text(status.message());
  if (detail.reason == "LOCKED") {
    const std::string holder = detail.Get("holder");
    return {text,
            absl::StrCat("only the holder of the lock", holder.empty() ? "" : ", " + holder + ",",
                         " may change the document now; ", LockEnd(detail)),
            "wait (--wait 30s), or ask the holder; its owner may `coterie unlock --break`"};
  }
  if (detail.reason == "LOCK_REQUIRED") {
    return {text, "replacing a whole text needs the document's lock", "coterie lock DOCUMENT"};
  }
  if (detail.reason == "STALE_TOKEN" || detail.reason == "STALE_LOCK") {
    return {text, "the lock expired or was broken, and somebody may have written since",
            "look with `coterie cat DOCUMENT`, then write again"};
  }
  if (absl::IsAlreadyExists(status)) return {text, "", "choose another name"};
  return {text, "", ""};
}

}  // namespace

absl::Status Error(absl::StatusCode code, const std::string& what, const std::string& fix) {
  absl::Status status(code, what);
  if (!fix.empty()) status.SetPayload(kFixUrl, absl::Cord(fix));
  return status;
}

absl::Status WithVersionsFix(absl::Status status, const std::string& document) {
  if (!absl::IsOutOfRange(status)) return status;
  status.SetPayload(kFixUrl, absl::Cord("coterie history " + document));
  return status;
}

Explanation Explain(const absl::Status& status) {
  const std::string text = status.message().empty() ? absl::StatusCodeToString(status.code())
                                                    : std::string(status.message());
  if (std::string fix = FixOf(status); !fix.empty()) return {text, "", std::move(fix)};
  const client::ErrorDetail detail = client::DetailOf(status);
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      if (detail.reason == "MODEL_UNAVAILABLE") return {text, "", ""};  // It says what to do.
      return {
          text, "the nodes are down, cut off, or have no majority to elect a leader",
          "check --nodes or COTERIE_NODES, and --ca if the nodes use TLS; start a local cluster "
          "with `coterie up`"};
    case absl::StatusCode::kDeadlineExceeded:
      return {text, "a node was asked and did not answer before the time was up",
              "look whether it took effect, then try again; more time: --timeout 30s"};
    case absl::StatusCode::kUnauthenticated:
      return {text, "the session has ended or the name and password do not match", "coterie login"};
    case absl::StatusCode::kPermissionDenied:
      return {text, "", "ask the document's owner to share it, or an admin"};
    case absl::StatusCode::kNotFound:
      return {text, "", "`coterie docs` lists what you may see"};
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
      return ExplainConflict(status, detail);
    case absl::StatusCode::kResourceExhausted:
      if (detail.reason == "QUEUE_FULL") {
        const absl::Duration pause = detail.retry_after.value_or(absl::Seconds(1));
        return {text, "", absl::StrCat("ask again in ", DurationText(pause))};
      }
      return {text, "a limit protects the cluster", "make it smaller, or try again later"};
    case absl::StatusCode::kOutOfRange:
      // Of a position or a version it says itself what to do.
      if (detail.Get("oldest_revision").empty()) return {text, "", ""};
      return {text, "that far back is no longer kept, or has not happened yet",
              "start from now: leave --since out"};
    case absl::StatusCode::kUnimplemented:
      return {text, "the nodes do not know this call", "upgrade the nodes, or use their coterie"};
    default:
      return {text, "", ""};
  }
}

std::string ErrorText(const absl::Status& status) {
  const Explanation explanation = Explain(status);
  std::string text = absl::StrCat("error: ", explanation.what, "\n");
  if (!explanation.why.empty()) absl::StrAppend(&text, "  why: ", explanation.why, "\n");
  if (!explanation.fix.empty()) absl::StrAppend(&text, "  fix: ", explanation.fix, "\n");
  return Printable(text);
}

nlohmann::json ErrorJson(const absl::Status& status) {
  const Explanation explanation = Explain(status);
  const client::ErrorDetail detail = client::DetailOf(status);
  return {{"v", 1},
          {"error",
           {{"code", absl::StatusCodeToString(status.code())},
            {"reason", detail.reason},
            {"what", explanation.what},
            {"why", explanation.why},
            {"fix", explanation.fix},
            {"metadata", detail.metadata}}}};
}

}  // namespace coterie::cli
