#include "tests/workload.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/prng.h"
#include "runtime/status_macros.h"
#include "tests/pacing.h"

namespace coterie::tests {
namespace {

constexpr std::size_t kDigits = 16;
constexpr std::uint64_t kLockTtlMs = 120'000;  // Longer than any test: locks do not expire here.

// Empty = an error that no crash, pause or refusal explains.
std::optional<Result> ResultOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return Result::kOk;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
      return Result::kUnknown;
    case absl::StatusCode::kFailedPrecondition: {
      const std::string reason = client::DetailOf(status).reason;
      const bool is_refusal =
          reason == "LOCKED" || reason == "STALE_TOKEN" || reason == "LOCK_REQUIRED";
      return is_refusal ? std::optional(Result::kRefused) : std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

template <class Request>
Request For(std::uint64_t document) {
  Request request;
  request.mutable_document()->set_id(document);
  return request;
}

}  // namespace

std::int64_t NowNanos() {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string RegisterText(std::uint64_t value) { return absl::StrFormat("%016x", value); }

absl::StatusOr<std::uint64_t> RegisterValue(const std::string& text) {
  std::uint64_t value = 0;
  if (text.size() != kDigits || !absl::SimpleHexAtoi(text, &value)) {
    return absl::DataLossError(absl::StrCat("no register's text: '", text, "'"));
  }
  return value;
}

// One client's loop, and its part of the record.
class Workload::Worker {
 public:
  Worker(Workload& load, std::size_t number)
      : load_(load),
        client_(*load.clients_[number]),
        id_(number + 1),
        prng_(load.options_.seed * 1000 + number) {}

  void Run() {
    while (!load_.is_stopping_) {
      const std::uint64_t document = load_.documents_[prng_.Below(load_.documents_.size())];
      const std::uint64_t dice = prng_.Below(100);
      if (dice < 45) {
        Edit(document);
      } else if (dice < 75) {
        Read(document);
      } else if (dice < 90) {
        AppendLine();
      } else {
        LockAndWrite(document);
      }
      Pass(load_.options_.pause);
    }
  }

  WorkloadRecord& record() { return record_; }

 private:
  std::uint64_t FreshValue() { return (id_ << 32) + ++values_; }

  Operation Begin(std::uint64_t document, Kind kind) const {
    return {.client = id_, .key = absl::StrCat(document), .kind = kind, .called_at = NowNanos()};
  }

  // Sends the request and fills in what its answer says of the operation.
  template <class Request>
  absl::StatusOr<typename client::Method<Request>::Response> Send(Operation& op,
                                                                  const Request& request) {
    auto response = client_.Call(request);
    op.returned_at = NowNanos();
    const std::optional<Result> result = ResultOf(response.status());
    if (!result) record_.unexpected.push_back(response.status().ToString());
    op.result = result.value_or(Result::kUnknown);
    if constexpr (requires { request.request_id(); }) {
      if (response.ok()) NoteAcknowledged(op.returned_at);
    }
    return response;
  }

  void NoteAcknowledged(std::int64_t at) {
    record_.acknowledged_at.push_back(at);
    ++load_.acknowledged_;
  }

  void Edit(std::uint64_t document) {
    Operation op = Begin(document, Kind::kWrite);
    op.value = FreshValue();
    auto request = For<v1::EditDocumentRequest>(document);
    v1::Splice& splice = *request.add_splices();
    splice.set_deleted(kDigits);
    splice.set_inserted(RegisterText(op.value));
    const auto response = Send(op, request);
    if (response.ok()) record_.revisions.push_back(response->revision());
    record_.history.push_back(op);
  }

  void Read(std::uint64_t document) {
    Operation op = Begin(document, Kind::kRead);
    const auto response = Send(op, For<v1::GetDocumentRequest>(document));
    if (response.ok()) {
      const auto value = RegisterValue(response->text());
      if (!value.ok()) record_.unexpected.push_back(value.status().ToString());
      op.value = value.value_or(~0ULL);
    }
    record_.history.push_back(op);
  }

  void AppendLine() {
    Operation op =
        Begin(load_.journal_, Kind::kWrite);  // Judged by the journal, not as a register.
    auto request = For<v1::AppendDocumentRequest>(load_.journal_);
    request.set_text(absl::StrCat("c", id_, ":", ++lines_, "\n"));
    const auto response = Send(op, request);
    if (response.ok()) record_.revisions.push_back(response->revision());
    if (op.result == Result::kRefused) {
      record_.unexpected.push_back("the journal is never locked: " + response.status().ToString());
    }
    record_.journal.push_back({.text = request.text(), .is_acknowledged = response.ok()});
  }

  void LockAndWrite(std::uint64_t document) {
    const std::uint64_t token = Lock(document);
    if (token == 0) return;
    WriteUnder(document, token);
    Unlock(document, token);
    // By then it is not ours: this must be refused.
    if (prng_.Chance(1, 4)) WriteUnder(document, token);
  }

  // The token; 0 if refused. Asks again while the answer is unknown, because the lock may be ours.
  std::uint64_t Lock(std::uint64_t document) {
    while (!load_.is_stopping_) {
      Operation op = Begin(document, Kind::kLock);
      auto request = For<v1::LockDocumentRequest>(document);
      request.set_ttl_ms(kLockTtlMs);
      const auto response = Send(op, request);
      if (response.ok()) op.token = response->lock().token();
      record_.history.push_back(op);
      if (op.result != Result::kUnknown) return op.token;
    }
    return 0;
  }

  void WriteUnder(std::uint64_t document, std::uint64_t token) {
    Operation op = Begin(document, Kind::kFencedWrite);
    op.token = token;
    op.value = FreshValue();
    auto request = For<v1::WriteDocumentRequest>(document);
    request.set_lock_token(token);
    request.set_text(RegisterText(op.value));
    const auto response = Send(op, request);
    if (response.ok()) record_.revisions.push_back(response->revision());
    record_.history.push_back(op);
  }

  void Unlock(std::uint64_t document, std::uint64_t token) {
    for (bool is_known = false; !is_known;) {
      Operation op = Begin(document, Kind::kUnlock);
      op.token = token;
      auto request = For<v1::UnlockDocumentRequest>(document);
      request.set_lock_token(token);
      Send(op, request).IgnoreError();
      record_.history.push_back(op);
      is_known = op.result != Result::kUnknown || load_.is_stopping_;
    }
  }

  Workload& load_;
  client::Client& client_;
  const std::uint64_t id_;
  Prng prng_;
  std::uint64_t values_ = 0;
  std::uint64_t lines_ = 0;
  WorkloadRecord record_;
};

Workload::Workload(const WorkloadOptions& options) : options_(options) {}

absl::StatusOr<std::unique_ptr<Workload>> Workload::Prepare(const WorkloadOptions& options) {
  std::unique_ptr<Workload> load(new Workload(options));
  RETURN_IF_ERROR(load->Login());
  RETURN_IF_ERROR(load->MakeDocuments());
  return load;
}

Workload::~Workload() {
  is_stopping_ = true;
  threads_.clear();
  attachments_.clear();
}

absl::Status Workload::Login() {
  for (std::size_t i = 0; i < options_.clients; ++i) {
    ASSIGN_OR_RETURN(auto client, client::Client::Open({.addresses = options_.addresses}));
    ASSIGN_OR_RETURN(const auto login,
                     client->Login(absl::StrCat("client", i + 1), "a password that is long"));
    (void)login;
    clients_.push_back(std::move(client));
    if (options_.presence == Presence::kAbsent) continue;
    attachments_.push_back(clients_.back()->Attach({}));
  }
  for (const auto& attachment : attachments_) {
    RETURN_IF_ERROR(attachment->WaitUntilAttached(absl::Now() + absl::Seconds(10)));
  }
  return absl::OkStatus();
}

absl::Status Workload::MakeDocuments() {
  for (std::size_t i = 0; i <= options_.documents; ++i) {
    const bool is_journal = i == options_.documents;
    v1::CreateDocumentRequest request;
    request.set_name(is_journal ? "journal" : absl::StrCat("register", i));
    if (!is_journal) request.set_text(RegisterText(0));
    ASSIGN_OR_RETURN(const auto created, client().Call(request));
    begin_revision_ = created.revision();
    if (is_journal) {
      journal_ = created.document_id();
    } else {
      documents_.push_back(created.document_id());
    }
  }
  return absl::OkStatus();
}

void Workload::Start() {
  is_stopping_ = false;
  for (std::size_t i = workers_.size(); i < clients_.size(); ++i) {
    workers_.push_back(std::make_unique<Worker>(*this, i));
  }
  for (const auto& worker : workers_) threads_.emplace_back([&worker] { worker->Run(); });
}

WorkloadRecord Workload::Stop() {
  is_stopping_ = true;
  threads_.clear();
  WorkloadRecord all;
  const auto append = [](auto& to, const auto& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  for (const auto& worker : workers_) {
    append(all.history, worker->record().history);
    append(all.journal, worker->record().journal);
    append(all.revisions, worker->record().revisions);
    append(all.acknowledged_at, worker->record().acknowledged_at);
    append(all.unexpected, worker->record().unexpected);
  }
  std::sort(all.acknowledged_at.begin(), all.acknowledged_at.end());
  return all;
}

}  // namespace coterie::tests
