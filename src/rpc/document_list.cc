#include "rpc/document_list.h"

#include <absl/strings/numbers.h>
#include <re2/re2.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "rpc/status_map.h"
#include "rpc/to_proto.h"

namespace coterie::rpc {
namespace {

constexpr std::uint32_t kPageMax = 1'000;
// What one page may cost the thread that applies commands: about a millisecond.
constexpr std::size_t kLookedAtMax = 2'000;

absl::Status Invalid(const std::string& message) {
  return Error(absl::StatusCode::kInvalidArgument, "INVALID_ARGUMENT", message);
}

re2::RE2::Options AsItIsInEitherCase() {
  re2::RE2::Options options;
  options.set_literal(true);
  options.set_case_sensitive(false);
  options.set_log_errors(false);
  return options;
}

}  // namespace

absl::StatusOr<v1::ListDocumentsResponse> ListDocuments(const state::Machine& state,
                                                        const Caller& caller,
                                                        const v1::ListDocumentsRequest& request) {
  if (request.name_contains().size() > state::kNameBytesMax) {
    return Invalid("No document has a name that holds so much; name_contains is too long.");
  }
  const re2::RE2 wanted(request.name_contains(), AsItIsInEitherCase());
  state::ListLimits limits{
      .count_max = request.page_size() == 0 ? kPageMax : std::min(request.page_size(), kPageMax),
      .looked_at_max = kLookedAtMax};
  if (!request.name_contains().empty()) {
    limits.matches = [&wanted](std::string_view name) {
      return re2::RE2::PartialMatch({name.data(), name.size()}, wanted);
    };
  }
  const bool is_by_change = request.order() == v1::DOCUMENT_ORDER_CHANGED;
  if (!is_by_change && request.order() > v1::DOCUMENT_ORDER_NAME) {
    return Invalid("There is no such order of documents.");
  }
  std::uint64_t before = 0;
  if (is_by_change && !request.page_token().empty() &&
      !absl::SimpleAtoi(request.page_token(), &before)) {
    return Invalid("The page token is not of a list in this order.");
  }
  const state::DocumentPage page =
      is_by_change ? state.DocumentsByChange(caller.user, Revision(before), limits)
                   : state.DocumentsByName(caller.user, request.page_token(), limits);
  v1::ListDocumentsResponse response;
  for (const state::DocumentView& document : page.documents) {
    *response.add_documents() =
        ToProto(document, state.RoleOf(caller.user, document.id), caller.session);
  }
  if (page.has_more) {
    response.set_next_page_token(is_by_change ? std::to_string(page.last_change.value())
                                              : page.last_name);
  }
  return response;
}

}  // namespace coterie::rpc
