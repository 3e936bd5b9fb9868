#pragma once

// coterie.v1.DocumentService: documents, their texts, locks and versions. Reads are answered from
// the state; changes become commands, and what comes of them is the machine's to say. Any thread.

#include <functional>

#include "coterie/v1/documents.pb.h"
#include "rpc/call.h"
#include "rpc/node_calls.h"

namespace coterie::rpc {

class DocumentService {
 public:
  explicit DocumentService(const NodeCalls& calls) : calls_(calls) {}

  void CreateDocument(const Call& call, v1::CreateDocumentRequest request,
                      Reply<v1::CreateDocumentResponse> reply);
  void GetDocument(const Call& call, v1::GetDocumentRequest request,
                   Reply<v1::GetDocumentResponse> reply);
  void ListDocuments(const Call& call, v1::ListDocumentsRequest request,
                     Reply<v1::ListDocumentsResponse> reply);
  void RenameDocument(const Call& call, v1::RenameDocumentRequest request,
                      Reply<v1::RenameDocumentResponse> reply);
  void DeleteDocument(const Call& call, v1::DeleteDocumentRequest request,
                      Reply<v1::DeleteDocumentResponse> reply);
  void ShareDocument(const Call& call, v1::ShareDocumentRequest request,
                     Reply<v1::ShareDocumentResponse> reply);

  void WriteDocument(const Call& call, v1::WriteDocumentRequest request,
                     Reply<v1::WriteDocumentResponse> reply);
  void EditDocument(const Call& call, v1::EditDocumentRequest request,
                    Reply<v1::EditDocumentResponse> reply);
  void AppendDocument(const Call& call, v1::AppendDocumentRequest request,
                      Reply<v1::AppendDocumentResponse> reply);

  void GetUpdate(const Call& call, v1::GetUpdateRequest request,
                 Reply<v1::GetUpdateResponse> reply);
  void ApplyUpdate(const Call& call, v1::ApplyUpdateRequest request,
                   Reply<v1::ApplyUpdateResponse> reply);

  void LockDocument(const Call& call, v1::LockDocumentRequest request,
                    Reply<v1::LockDocumentResponse> reply);
  void UnlockDocument(const Call& call, v1::UnlockDocumentRequest request,
                      Reply<v1::UnlockDocumentResponse> reply);
  void BreakLock(const Call& call, v1::BreakLockRequest request,
                 Reply<v1::BreakLockResponse> reply);
  void ListLocks(const Call& call, v1::ListLocksRequest request,
                 Reply<v1::ListLocksResponse> reply);

  void ListVersions(const Call& call, v1::ListVersionsRequest request,
                    Reply<v1::ListVersionsResponse> reply);
  void RestoreVersion(const Call& call, v1::RestoreVersionRequest request,
                      Reply<v1::RestoreVersionResponse> reply);

 private:
  // Finds the document of `request`, proposes what `body` makes of it and answers with the
  // revision.
  template <class Request, class Response>
  void Change(const Call& call, Request request,
              std::function<state::CommandBody(DocId, Request&)> body, Reply<Response> reply);

  const NodeCalls& calls_;
};

}  // namespace coterie::rpc
