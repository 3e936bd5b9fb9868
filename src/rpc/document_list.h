#pragma once

// A page of the documents that somebody may see, as ListDocuments asks for it. Pure.

#include <absl/status/statusor.h>

#include "coterie/v1/documents.pb.h"
#include "rpc/call.h"
#include "state/machine.h"

namespace coterie::rpc {

// kInvalidArgument: an order, or a page token, that is none.
absl::StatusOr<v1::ListDocumentsResponse> ListDocuments(const state::Machine& state,
                                                        const Caller& caller,
                                                        const v1::ListDocumentsRequest& request);

}  // namespace coterie::rpc
