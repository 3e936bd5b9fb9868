#include "crdt/atoms.h"

namespace coterie::crdt {
namespace {

// A node of the map, a bucket, and the string's own record.
constexpr std::size_t kEntryBytes = 40 + 8 + sizeof(std::string);

}  // namespace

Atom Atoms::Intern(std::string_view text) {
  const auto found = atoms_.find(text);
  if (found != atoms_.end()) return found->second;
  const std::string& kept = texts_.emplace_back(text);
  const auto atom = static_cast<Atom>(texts_.size());
  atoms_.emplace(kept, atom);
  memory_bytes_ += kEntryBytes + (kept.size() > 15 ? kept.capacity() + 1 : 0);
  return atom;
}

Atom Atoms::Find(std::string_view text) const {
  const auto found = atoms_.find(text);
  return found == atoms_.end() ? 0 : found->second;
}

}  // namespace coterie::crdt
