#include "crdt/state_vector.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace coterie::crdt {
namespace {

bool IsBefore(const std::pair<Client, Clock>& entry, Client client) { return entry.first < client; }

}  // namespace

Clock StateVector::At(Client client) const {
  const auto place = std::lower_bound(clocks_.begin(), clocks_.end(), client, IsBefore);
  return place != clocks_.end() && place->first == client ? place->second : 0;
}

void StateVector::Set(Client client, Clock clock) {
  const auto place = std::lower_bound(clocks_.begin(), clocks_.end(), client, IsBefore);
  const bool is_known = place != clocks_.end() && place->first == client;
  if (clock == 0) {
    if (is_known) clocks_.erase(place);
  } else if (is_known) {
    place->second = clock;
  } else {
    clocks_.insert(place, {client, clock});
  }
}

void StateVector::Raise(Client client, Clock clock) {
  if (clock > At(client)) Set(client, clock);
}

void StateVector::Raise(const StateVector& other) {
  // One by one is cheaper only where few come to many.
  if (other.clocks_.size() == 1) return Raise(other.clocks_[0].first, other.clocks_[0].second);
  std::vector<std::pair<Client, Clock>> both;
  both.reserve(clocks_.size() + other.clocks_.size());
  std::merge(clocks_.begin(), clocks_.end(), other.clocks_.begin(), other.clocks_.end(),
             std::back_inserter(both));  // Of one client, the higher clock comes last.
  const auto is_same = [](const auto& a, const auto& b) { return a.first == b.first; };
  const auto last = std::unique(both.rbegin(), both.rend(), is_same);
  both.erase(both.begin(), last.base());
  clocks_ = std::move(both);
}

bool StateVector::Covers(const StateVector& other) const {
  return std::all_of(other.clocks_.begin(), other.clocks_.end(),
                     [this](const auto& entry) { return At(entry.first) >= entry.second; });
}

std::string StateVector::Encode() const {
  Lib0Writer writer;
  EncodeTo(writer);
  return writer.Take();
}

void StateVector::EncodeTo(Lib0Writer& writer) const {
  writer.VarUint(clocks_.size());
  for (auto entry = clocks_.rbegin(); entry != clocks_.rend(); ++entry) {
    writer.VarUint(entry->first.value());
    writer.VarUint(entry->second);
  }
}

StateVector StateVector::Decode(Lib0Reader& reader) {
  StateVector vector;
  const std::uint64_t count =
      reader.VarUintUpTo(reader.remaining_bytes() / 2, "a count is larger than what follows");
  vector.clocks_.reserve(count);
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    const Client client(reader.VarUintUpTo(kClientMax, "a client id is above 2^53 - 1"));
    const std::uint64_t clock = reader.VarUintUpTo(kClockMax, "a clock is above 2^32 - 1");
    if (clock > 0) vector.clocks_.emplace_back(client, static_cast<Clock>(clock));
  }
  // Of a client that stands twice Yjs takes the later one.
  std::stable_sort(vector.clocks_.begin(), vector.clocks_.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  const auto is_same = [](const auto& a, const auto& b) { return a.first == b.first; };
  const auto last = std::unique(vector.clocks_.rbegin(), vector.clocks_.rend(), is_same);
  vector.clocks_.erase(vector.clocks_.begin(), last.base());
  return vector;
}

}  // namespace coterie::crdt
