#include "crdt/chains.h"

#include <algorithm>

#include "crdt/struct_writer.h"

namespace coterie::crdt {
namespace {

// Finding a client's chain is a search through all; with more of them it would cost more than
// what it saves.
constexpr std::size_t kChainsMax = 64;

}  // namespace

// The chain that the struct with this id belongs to; a new one if it is its client's first.
Chains::Chain& Chains::ChainOf(Id id) {
  if (last_ < chains_.size() && chains_[last_].first.client == id.client) return chains_[last_];
  const auto place = std::find_if(chains_.begin(), chains_.end(), [id](const Chain& chain) {
    return chain.first.client == id.client;
  });
  last_ = static_cast<std::size_t>(place - chains_.begin());
  if (place == chains_.end()) {
    chains_.emplace_back();
    chains_.back().first = id;
    chains_.back().end = id.clock;
  }
  return chains_[last_];
}

bool Chains::AddStruct(const StructSpan& span) {
  const bool is_gc = span.content == ContentKind::kGc;
  Chain& chain = ChainOf(span.id);
  // Two that are collected become one.
  const bool is_kept = span.content != ContentKind::kSkip && !(is_gc && chain.ends_in_gc);
  if (!is_kept || chain.end != span.id.clock || chains_.size() > kChainsMax) return false;
  if (span.has_idle_bits) {
    WritePiece(Piece(span), chain.bytes);
  } else {
    chain.bytes.Raw(span.bytes);
  }
  ++chain.structs;
  chain.end = span.id.clock + span.length;
  chain.ends_in_gc = is_gc;
  return true;
}

// Who deletes letter by letter makes one range of them.
void Chains::AddDeleted(Client client, ClockRange range) {
  if (!deleted_.empty() && deleted_.back().first == client) {
    ClockRange& last = deleted_.back().second;
    if (range.begin <= last.end && last.begin <= range.end) {
      last = {.begin = std::min(last.begin, range.begin), .end = std::max(last.end, range.end)};
      return;
    }
  }
  deleted_.push_back({client, range});
}

bool Chains::Add(std::string_view update) {
  UpdateReader reader(update);
  StructSpan span;
  StructRun run;
  while (reader.NextSpan(span)) {
    if (!AddStruct(span)) return false;
    if (!reader.NextRun({}, run)) continue;
    Chain& chain = chains_[last_];
    chain.bytes.Raw(run.bytes);
    chain.structs += run.structs;
    chain.end = run.end;
    chain.ends_in_gc = false;
  }
  if (!reader.ok()) return false;
  decoded_.clear();
  DeleteSet::DecodeTo(reader.rest(), decoded_);
  for (const auto& [client, range] : decoded_) AddDeleted(client, range);
  return reader.ok() && reader.rest().AtEnd();
}

std::string Chains::Finish() {
  std::sort(chains_.begin(), chains_.end(),
            [](const Chain& a, const Chain& b) { return a.first.client > b.first.client; });
  StructWriter writer;
  for (const Chain& chain : chains_) {
    writer.WriteRun(chain.first, chain.structs, chain.bytes.view());
  }
  std::string update = writer.Finish(DeleteSet::FromRanges(std::move(deleted_)));
  *this = {};
  return update;
}

}  // namespace coterie::crdt
