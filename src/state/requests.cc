// Exactly once: which outcomes are kept for retries, and for how long.
//
// What a machine remembers of a client is a function of the outcome records in its Kv, so that a
// restarted node and one that ran on decide alike: a request that leaves no record (a duplicate, a
// refusal for want of room) changes nothing, not even what is acknowledged or least recently used.
// Source: Raft thesis 6.3; LogCabin's first-outstanding.

#include <algorithm>

#include "state/machine_impl.h"

namespace coterie::state {

std::optional<Outcome> Machine::Impl::AnswerFromBefore(Session& session, const RequestId& request) {
  const auto refuse = [this](Code code, std::string message) {
    Outcome outcome = Refusal(code, std::move(message));
    outcome.revision = entry_.revision;
    return outcome;
  };
  const auto forgotten = [&] {
    return refuse(Code::kForgotten,
                  "This request may have been done before, and its outcome is no longer kept. "
                  "Nothing was done now; look at the state, then ask with a new sequence number.");
  };
  const auto evicted = session.evicted.find(request.client);
  if (evicted != session.evicted.end() && request.sequence <= evicted->second.last_sequence) {
    return forgotten();
  }
  if (request.sequence < request.acked_below) return forgotten();
  const auto found = session.clients.find(request.client);
  if (found == session.clients.end()) return std::nullopt;
  const Client& client = found->second;
  if (request.sequence < client.acked_below) return forgotten();
  if (std::binary_search(client.sequences.begin(), client.sequences.end(), request.sequence)) {
    const Key key('o', entry_.session, request.client, request.sequence);
    const std::optional<std::string> value = kv_.Get(key.view());
    std::optional<OutcomeRecord> record;
    if (value) record = codec::DecodeRecord<OutcomeRecord>(*value);
    if (!record) {
      Break("a stored outcome is missing or does not decode");
      return Outcome();
    }
    return std::move(record->outcome);
  }
  const auto kept = std::lower_bound(client.sequences.begin(), client.sequences.end(),
                                     std::max(client.acked_below, request.acked_below));
  if (client.sequences.end() - kept >= static_cast<std::ptrdiff_t>(kOutcomesPerClientMax)) {
    return refuse(Code::kExhausted,
                  "1024 outcomes of this client wait to be acknowledged (kOutcomesPerClientMax); "
                  "raise acked_below.");
  }
  return std::nullopt;
}

void Machine::Impl::Remember(const RequestId& request, const Outcome& outcome) {
  const auto found = sessions_.find(entry_.session);
  if (found == sessions_.end()) return;  // The command ended its own session.
  Session& session = found->second;
  if (session.clients.count(request.client) == 0 && !Admit(session, request)) return;
  Client& client = session.clients[request.client];
  client.last_used = entry_.revision;
  client.acked_below = std::max(client.acked_below, request.acked_below);
  const auto kept =
      std::lower_bound(client.sequences.begin(), client.sequences.end(), client.acked_below);
  for (auto at = client.sequences.begin(); at != kept; ++at) {
    Delete(Key('o', entry_.session, request.client, *at).view());
  }
  client.sequences.erase(client.sequences.begin(), kept);
  client.sequences.insert(
      std::upper_bound(client.sequences.begin(), client.sequences.end(), request.sequence),
      request.sequence);
  CHECK(client.sequences.size() <= kOutcomesPerClientMax);
  Put(Key('o', entry_.session, request.client, request.sequence).view(),
      codec::EncodeRecord(OutcomeRecord{.acked_below = client.acked_below, .outcome = outcome}));
}

// A client that is new, or one that was evicted and asks for something new: what is not above all
// that it had executed may have been done. False = another part of the same entry has evicted it
// after this one was judged (ApplyUpdates), and numbers beyond this one were executed: the outcome
// is not kept, and who asks for it again is told so.
bool Machine::Impl::Admit(Session& session, const RequestId& request) {
  std::uint64_t acked_below = 0;
  const auto evicted = session.evicted.find(request.client);
  if (evicted != session.evicted.end()) {
    if (request.sequence <= evicted->second.last_sequence) return false;
    acked_below = evicted->second.last_sequence + 1;
    Delete(Key('c', session.record.id, request.client).view());
    session.evicted.erase(evicted);
  }
  MaybeEvictClient(session);
  session.clients[request.client].acked_below = acked_below;
  return true;
}

// Makes room for a client: the one that was silent for longest loses its outcomes, and is itself
// remembered for a while, so that a late retry of it is told so rather than done twice.
void Machine::Impl::MaybeEvictClient(Session& session) {
  if (session.clients.size() < kClientsPerSessionMax) return;
  const SessionId session_id = session.record.id;
  const auto oldest = std::min_element(
      session.clients.begin(), session.clients.end(),
      [](const auto& a, const auto& b) { return a.second.last_used < b.second.last_used; });
  for (const std::uint64_t sequence : oldest->second.sequences) {
    Delete(Key('o', session_id, oldest->first, sequence).view());
  }
  CHECK(!oldest->second.sequences.empty());
  // The highest ever: what is dropped from the list is below what comes in.
  const EvictedClient record{.evicted = entry_.revision,
                             .last_sequence = oldest->second.sequences.back()};
  session.evicted[oldest->first] = record;
  Put(Key('c', session_id, oldest->first).view(), codec::EncodeRecord(record));
  session.clients.erase(oldest);
  if (session.evicted.size() <= kEvictedClientsMax) return;
  const auto first = std::min_element(
      session.evicted.begin(), session.evicted.end(),
      [](const auto& a, const auto& b) { return a.second.evicted < b.second.evicted; });
  Delete(Key('c', session_id, first->first).view());
  session.evicted.erase(first);
}

void Machine::Impl::ForgetClients(const Session& session) {
  for (const auto& [client_id, client] : session.clients) {
    for (const std::uint64_t sequence : client.sequences) {
      Delete(Key('o', session.record.id, client_id, sequence).view());
    }
  }
  for (const auto& [client_id, record] : session.evicted) {
    Delete(Key('c', session.record.id, client_id).view());
  }
}

}  // namespace coterie::state
