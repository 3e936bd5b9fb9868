#include "crdt/item_store.h"

#include <algorithm>

#include "base/check.h"

namespace coterie::crdt {
namespace {

// From so many items on a list gets an index; a shorter one is walked.
constexpr std::uint32_t kIndexedItemsMin = 64;

}  // namespace

ItemStore::ItemStore() : index_(*this) {
  branches_.emplace_back();
  sequences_.emplace_back();
  extents_.emplace_back();
}

ClientIndex ItemStore::FindClient(Client client) const {
  const auto found = client_indexes_.find(client);
  return found == client_indexes_.end() ? kNoClient : found->second;
}

ClientIndex ItemStore::InternClient(Client client) {
  const auto [place, is_new] =
      client_indexes_.try_emplace(client, static_cast<ClientIndex>(clients_.size()));
  if (is_new) {
    CHECK(clients_.size() < kClientsMax);
    clients_.emplace_back();
    clients_.back().id = client;
  }
  return place->second;
}

const std::vector<ClientIndex>& ItemStore::ClientsDescending() const {
  if (!is_descending_sorted_) {
    std::sort(descending_.begin(), descending_.end(),
              [this](ClientIndex a, ClientIndex b) { return clients_[a].id > clients_[b].id; });
    is_descending_sorted_ = true;
  }
  return descending_;
}

void ItemStore::Touch(ClientIndex client) {
  ClientState& state = clients_[client];
  if (state.is_touched) return;
  state.is_touched = true;
  state.before = state.end;
  changes_.touched.push_back(client);
}

void ItemStore::EndChanges() {
  last_searched_ = 0;
  for (const ClientIndex client : changes_.touched) clients_[client].is_touched = false;
  changes_.Clear();
}

void ItemStore::AppendStruct(ItemRef ref) {
  const Item& item = At(ref);
  Touch(item.client);
  ClientState& client = clients_[item.client];
  CHECK(item.clock == client.end);
  if (client.structs.empty()) {
    descending_.push_back(item.client);
    is_descending_sorted_ = descending_.size() == 1;
  }
  client.structs.Append({.clock = item.clock, .item = ref});
  client.end = item.end();
}

ItemRef ItemStore::CleanStart(LocalId id) {
  const StructList::Place place = FindPlace(id);
  const ItemRef ref = clients_[id.client].structs.At(place);
  const Item& item = At(ref);
  if (item.clock == id.clock || item.IsGc()) return ref;
  return SplitAt(id.client, place, id.clock - item.clock);
}

ItemRef ItemStore::CleanEnd(LocalId id) {
  // Who writes on hangs on the own last word.
  if (id.clock + 1 == clients_[id.client].end) return clients_[id.client].structs.back();
  const StructList::Place place = FindPlace(id);
  const ItemRef ref = clients_[id.client].structs.At(place);
  const Item& item = At(ref);
  if (item.end() == id.clock + 1 || item.IsGc()) return ref;
  SplitAt(id.client, place, id.clock + 1 - item.clock);
  return ref;
}

ItemRef ItemStore::Split(ItemRef ref, Clock length) {
  const Item& item = At(ref);
  return SplitAt(item.client, FindPlace(item.id()), length);
}

ItemRef ItemStore::SplitAt(ClientIndex client, StructList::Place place, Clock length) {
  const ItemRef left_ref = clients_[client].structs.At(place);
  const ItemRef right_ref = NewItem();
  Item& left = At(left_ref);
  Item& right = At(right_ref);
  CHECK(!left.IsGc() && length > 0 && length < left.length);
  const TextSize whole = left.leaf != 0 ? VisibleSize(left_ref) : TextSize{};
  right.set_client(client);
  right.clock = left.clock + length;
  right.set_kind(left.kind());
  right.is_deleted = left.is_deleted;
  right.is_kept = left.is_kept;
  right.origin = {.client = client, .clock = right.clock - 1};
  right.right_origin = left.right_origin;
  right.sequence = left.sequence;
  SplitContent(left, right, length);
  right.length = left.length - length;
  left.length = length;
  if (left.is_redone) {
    const LocalId redone = RedoneOf(left_ref);
    SetRedone(right_ref, {.client = redone.client, .clock = redone.clock + length});
  }
  right.left = left_ref;
  right.right = left.right;
  left.right = right_ref;
  Sequence& sequence = sequences_[left.sequence];
  (right.right != 0 ? At(right.right).left : sequence.tail) = right_ref;
  clients_[client].structs.InsertAfter(place, {.clock = right.clock, .item = right_ref});
  if (sequence.key == 0) ++branches_[sequence.branch].items_count;
  if (left.leaf != 0) {
    // Within a surrogate pair the parts are larger than the whole: each has a U+FFFD.
    if (whole.utf16 != 0) index_.Shrink(left_ref, whole - VisibleSize(left_ref));
    index_.Insert(branches_[sequence.branch].index_root, left_ref, right_ref);
  }
  changes_.merge_candidates.push_back(right.id());
  return right_ref;
}

void ItemStore::Link(ItemRef ref) {
  last_searched_ = 0;
  Item& item = At(ref);
  Sequence& sequence = sequences_[item.sequence];
  if (item.left != 0) {
    item.right = At(item.left).right;
    At(item.left).right = ref;
  } else {
    item.right = sequence.head;
    sequence.head = ref;
  }
  (item.right != 0 ? At(item.right).left : sequence.tail) = ref;
  if (sequence.key != 0) return;
  Branch& branch = branches_[sequence.branch];
  ++branch.items_count;
  branch.cached_item = 0;
  branch.length += VisibleUnits(ref);
  if (branch.index_root != 0) index_.Insert(branch.index_root, item.left, ref);
}

void ItemStore::Unlink(ItemRef ref) {
  last_searched_ = 0;
  const Item& item = At(ref);
  Sequence& sequence = sequences_[item.sequence];
  (item.left != 0 ? At(item.left).right : sequence.head) = item.right;
  (item.right != 0 ? At(item.right).left : sequence.tail) = item.left;
  if (sequence.key != 0) return;
  Branch& branch = branches_[sequence.branch];
  --branch.items_count;
  if (branch.cached_item == ref) branch.cached_item = 0;
}

void ItemStore::UncountVisible(ItemRef ref) {
  const Item& item = At(ref);
  const Sequence& sequence = sequences_[item.sequence];
  if (!item.IsVisible() || sequence.key != 0) return;
  Branch& branch = branches_[sequence.branch];
  CHECK(branch.length >= item.length);
  branch.length -= item.length;
  branch.cached_item = 0;
  if (item.leaf != 0) index_.Shrink(ref, VisibleSize(ref));
}

bool ItemStore::MaybeBuildIndex(BranchRef ref) {
  if (branches_[ref].items_count >= kIndexedItemsMin) BuildIndex(ref);
  return branches_[ref].index_root != 0;
}

void ItemStore::BuildIndex(BranchRef ref) {
  Branch& branch = branches_[ref];
  if (branch.index_root == 0) branch.index_root = index_.Build(HeadOf(ref));
}

void ItemStore::DropIndex(BranchRef ref) {
  Branch& branch = branches_[ref];
  if (branch.index_root != 0) index_.Drop(branch.index_root);
  branch.index_root = 0;
}

BranchRef ItemStore::NewBranch() {
  if (free_branch_ == 0) {
    branches_.emplace_back();
    return static_cast<BranchRef>(branches_.size() - 1);
  }
  const BranchRef ref = free_branch_;
  Branch& branch = branches_[ref];
  free_branch_ = branch.item;
  branch = Branch{.generation = branch.generation};
  return ref;
}

void ItemStore::NoteMark(BranchRef ref, const Item& mark) {
  // Nearly all texts have fewer, and keep no list of what they are about.
  constexpr std::uint32_t kMarksNotListed = 256;
  if (++branches_[ref].marks_count <= kMarksNotListed) return;
  std::unordered_set<Atom>& keys = marked_keys_[ref];
  if (keys.insert(ExtentOf(mark).extra).second) CountScanned(keys.size());
}

void ItemStore::FreeBranch(BranchRef ref) {
  DropIndex(ref);
  marked_keys_.erase(ref);
  const auto free_sequence = [this](SequenceRef sequence) {
    sequences_[sequence] = {.next_key = free_sequence_};
    free_sequence_ = sequence;
  };
  Branch& branch = branches_[ref];
  for (SequenceRef key = branch.first_key; key != 0;) {
    const SequenceRef next = sequences_[key].next_key;
    keys_.erase(SlotKey(ref, sequences_[key].key));
    free_sequence(key);
    key = next;
  }
  if (branch.children != 0) free_sequence(branch.children);
  branch = Branch{.item = free_branch_, .generation = branch.generation + 1};
  free_branch_ = ref;
}

BranchRef ItemStore::InternRoot(std::string_view name) {
  const Atom atom = atoms_.Intern(name);
  const auto [place, is_new] = root_names_.try_emplace(atom, 0);
  if (is_new) {
    place->second = NewBranch();
    Branch& branch = branches_[place->second];
    branch.name = atom;
    branch.is_root = true;
    roots_.push_back(place->second);
  }
  return place->second;
}

BranchRef ItemStore::FindRoot(std::string_view name) const {
  const Atom atom = atoms_.Find(name);
  if (atom == 0) return 0;
  const auto found = root_names_.find(atom);
  return found == root_names_.end() ? 0 : found->second;
}

BranchRef ItemStore::Resolve(TypeHandle handle) const {
  if (handle.branch == 0 || handle.branch >= branches_.size()) return 0;
  const Branch& branch = branches_[handle.branch];
  if (branch.generation != handle.generation) return 0;
  if (branch.is_root) return handle.branch;
  return branch.item != 0 && !At(branch.item).is_deleted ? handle.branch : 0;
}

SequenceRef ItemStore::NewSequence(BranchRef branch, Atom key) {
  SequenceRef ref = free_sequence_;
  if (ref == 0) {
    ref = static_cast<SequenceRef>(sequences_.size());
    sequences_.emplace_back();
  } else {
    free_sequence_ = sequences_[ref].next_key;
  }
  sequences_[ref] = Sequence{.branch = branch, .key = key};
  return ref;
}

SequenceRef ItemStore::ChildrenOf(BranchRef ref) {
  if (branches_[ref].children == 0) branches_[ref].children = NewSequence(ref, 0);
  return branches_[ref].children;
}

SequenceRef ItemStore::KeyOf(BranchRef ref, Atom key) {
  const auto [place, is_new] = keys_.try_emplace(SlotKey(ref, key), 0);
  if (!is_new) return place->second;
  place->second = NewSequence(ref, key);
  Branch& branch = branches_[ref];
  (branch.last_key != 0 ? sequences_[branch.last_key].next_key : branch.first_key) = place->second;
  branch.last_key = place->second;
  return place->second;
}

SequenceRef ItemStore::FindKey(BranchRef ref, Atom key) const {
  const auto found = keys_.find(SlotKey(ref, key));
  return found == keys_.end() ? 0 : found->second;
}

std::size_t ItemStore::memory_bytes() const {
  constexpr std::size_t kMapEntryBytes = 32;  // A node and its bucket.
  std::size_t bytes = arena_.memory_bytes() + slab_.memory_bytes() + atoms_.memory_bytes() +
                      index_.memory_bytes() + scan_set_.memory_bytes() + crowds_.memory_bytes();
  for (const auto& [client, anchors] : anchors_) bytes += anchors.size() * kMapEntryBytes * 2;
  bytes += clients_.capacity() * sizeof(ClientState) + clients_.size() * kMapEntryBytes;
  for (const ClientState& client : clients_) bytes += client.structs.memory_bytes();
  bytes += branches_.capacity() * sizeof(Branch) + sequences_.capacity() * sizeof(Sequence);
  bytes += extents_.capacity() * sizeof(Extent);
  bytes += (keys_.size() + root_names_.size() + redone_.size()) * kMapEntryBytes;
  for (const auto& [branch, keys] : marked_keys_) bytes += (keys.size() + 3) * kMapEntryBytes;
  return bytes;
}

}  // namespace coterie::crdt
