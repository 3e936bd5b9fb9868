#include "yproto/awareness.h"

#include <iterator>
#include <utility>

#include "base/check.h"

namespace coterie::yproto {

bool AreOfOne(const AwarenessOwner& a, const AwarenessOwner& b) {
  return a.session == b.session || (!a.user.empty() && a.user == b.user);
}

crdt::Malformed DecodeAwareness(std::string_view update, std::vector<AwarenessEntry>& entries) {
  if (update.size() > kAwarenessBytesMax) return {.reason = "an awareness update is too large"};
  crdt::Lib0Reader reader(update);
  const std::uint64_t count =
      reader.VarUintUpTo(kEntriesPerUpdateMax, "too many states in an awareness update");
  std::vector<AwarenessEntry> read;
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    AwarenessEntry entry;
    entry.client = crdt::Client(reader.VarUint());
    entry.clock = reader.VarUint();
    entry.state = std::string(reader.VarString());
    if (reader.ok()) read.push_back(std::move(entry));
  }
  if (reader.ok() && !reader.AtEnd()) reader.Fail("bytes follow an awareness update");
  if (reader.ok()) entries = std::move(read);
  return reader.malformed();
}

std::string EncodeAwarenessUpdate(const std::vector<AwarenessEntry>& entries) {
  crdt::Lib0Writer writer;
  writer.VarUint(entries.size());
  for (const AwarenessEntry& entry : entries) {
    writer.VarUint(entry.client.value());
    writer.VarUint(entry.clock);
    writer.VarBytes(entry.state);
  }
  return writer.Take();
}

std::size_t AwarenessTable::CountOf(std::uint64_t member) const {
  const auto found = present_.find(member);
  return found == present_.end() ? 0 : found->second;
}

void AwarenessTable::Unlist(crdt::Client client, const Slot& slot) {
  if (slot.state.empty()) {
    gone_.erase({slot.heard_ms, client});
    return;
  }
  const auto found = present_.find(slot.owner.member);
  CHECK(found != present_.end());
  if (--found->second == 0) present_.erase(found);
}

void AwarenessTable::Put(crdt::Client client, const AwarenessOwner& owner,
                         const AwarenessEntry& entry, std::uint64_t now_ms) {
  const auto found = slots_.find(client);
  if (found != slots_.end()) {
    Unlist(client, found->second);
  } else if (slots_.size() >= kClientsMax) {
    CHECK(!gone_.empty());  // MayApply() has seen to it.
    slots_.erase(gone_.begin()->second);
    gone_.erase(gone_.begin());
  }
  slots_[client] = {.owner = owner,
                    .clock = entry.clock,
                    .state = entry.is_gone() ? std::string() : entry.state,
                    .heard_ms = now_ms};
  if (entry.is_gone()) {
    gone_.emplace(now_ms, client);
  } else {
    ++present_[owner.member];
  }
}

AwarenessEntry AwarenessTable::Leave(crdt::Client client, Slot& slot, std::uint64_t now_ms) {
  CHECK(!slot.state.empty());
  Unlist(client, slot);
  slot.state.clear();
  slot.heard_ms = now_ms;
  gone_.emplace(now_ms, client);
  return {.client = client, .clock = slot.clock, .state = "null"};
}

bool AwarenessTable::MayApply(const AwarenessOwner& owner, const AwarenessEntry& entry) const {
  const auto found = slots_.find(entry.client);
  const std::uint64_t known = found == slots_.end() ? 0 : found->second.clock;
  const bool is_present = found != slots_.end() && !found->second.state.empty();
  const bool is_newer =
      entry.clock > known || (entry.clock == known && entry.is_gone() && is_present);
  if (!is_newer) return false;
  if (is_present) {
    const AwarenessOwner& holder = found->second.owner;
    const bool is_same = holder.member == owner.member && holder.node == owner.node;
    return is_same || AreOfOne(holder, owner);
  }
  if (entry.is_gone()) return false;
  const bool has_room = found != slots_.end() || slots_.size() < kClientsMax || !gone_.empty();
  return has_room && (owner.member == 0 || CountOf(owner.member) < kClientsPerMemberMax);
}

std::vector<AwarenessEntry> AwarenessTable::Apply(const AwarenessOwner& owner,
                                                  std::vector<AwarenessEntry> entries,
                                                  std::uint64_t now_ms) {
  std::vector<AwarenessEntry> applied;
  for (AwarenessEntry& entry : entries) {
    if (!MayApply(owner, entry)) continue;
    Put(entry.client, owner, entry, now_ms);
    applied.push_back(std::move(entry));
  }
  return applied;
}

std::vector<AwarenessEntry> AwarenessTable::RemoveMember(std::uint64_t member,
                                                         std::uint64_t now_ms) {
  std::vector<AwarenessEntry> removed;
  for (auto& [client, slot] : slots_) {
    if (slot.owner.member != member || slot.owner.member == 0 || slot.state.empty()) continue;
    removed.push_back(Leave(client, slot, now_ms));
  }
  return removed;
}

std::vector<AwarenessEntry> AwarenessTable::Expire(std::uint64_t now_ms) {
  std::vector<AwarenessEntry> removed;
  for (auto it = slots_.begin(); it != slots_.end();) {
    Slot& slot = it->second;
    if (slot.state.empty() && now_ms >= slot.heard_ms + kGoneMsMax) {
      Unlist(it->first, slot);
      it = slots_.erase(it);
      continue;
    }
    if (!slot.state.empty() && now_ms >= slot.heard_ms + kSilentMsMax) {
      removed.push_back(Leave(it->first, slot, now_ms));
    }
    ++it;
  }
  return removed;
}

std::vector<AwarenessEntry> AwarenessTable::All() const {
  std::vector<AwarenessEntry> all;
  for (const auto& [client, slot] : slots_) {
    if (slot.state.empty()) continue;
    all.push_back({.client = client, .clock = slot.clock, .state = slot.state});
  }
  return all;
}

std::vector<AwarenessTable::Owned> AwarenessTable::Local() const {
  std::vector<Owned> local;
  for (const auto& [client, slot] : slots_) {
    if (slot.state.empty() || slot.owner.member == 0) continue;
    local.push_back({.session = slot.owner.session,
                     .entry = {.client = client, .clock = slot.clock, .state = slot.state}});
  }
  return local;
}

std::optional<AwarenessOwner> AwarenessTable::OwnerOf(crdt::Client client) const {
  const auto found = slots_.find(client);
  if (found == slots_.end() || found->second.state.empty()) return std::nullopt;
  return found->second.owner;
}

}  // namespace coterie::yproto
