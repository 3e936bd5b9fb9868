#include "crdt/struct_integrator.h"

#include "base/check.h"
#include "base/utf8.h"
#include "crdt/integrate.h"
#include "crdt/item_store.h"
#include "crdt/struct_writer.h"

namespace coterie::crdt {
namespace {

// The number of a kAny or kJson is written before its values; the store keeps the values alone.
std::string_view ValuesOf(std::string_view payload) {
  Lib0Reader reader(payload);
  static_cast<void>(reader.VarUint());
  return payload.substr(reader.offset_bytes());
}

// Drops what is known of a struct, the first `offset` clocks.
void CutView(StructView& view, Clock offset, std::string& scratch) {
  if (view.content == ContentKind::kString) {
    const TextCut cut = FindUtf16(view.payload, offset);
    view.payload.remove_prefix(cut.offset_bytes);
    if (cut.is_within_pair) {
      // Half a surrogate pair is no character.
      scratch = "\xef\xbf\xbd";
      scratch += view.payload;
      view.payload = scratch;
    }
  } else if (view.content == ContentKind::kAny || view.content == ContentKind::kJson) {
    Lib0Reader reader(view.payload);
    for (Clock i = 0; i < offset; ++i) {
      static_cast<void>(view.content == ContentKind::kAny ? reader.Any() : reader.VarBytes());
    }
    view.payload.remove_prefix(reader.offset_bytes());
  }
  view.id.clock += offset;
  view.length -= offset;
}

}  // namespace

Clock StructIntegrator::EndOf(Client client) {
  const ClientIndex index = IndexOf(client);
  return index == kNoClient ? 0 : store_.ClientAt(index).end;
}

ClientIndex StructIntegrator::IndexOf(Client client) {
  if (client != last_client_ || last_index_ == kNoClient) {
    last_client_ = client;
    last_index_ = store_.FindClient(client);
  }
  return last_index_;
}

bool StructIntegrator::Lacks(const StructView& view, const Id& id) {
  if (id.client == view.id.client) return false;
  const LocalId local = ToLocal(id);
  return local.IsNone() || !store_.Has(local);
}

std::optional<Id> StructIntegrator::FindMissing(const StructView& view) {
  if (view.content == ContentKind::kGc) return std::nullopt;
  if (view.has_origin && Lacks(view, view.origin)) return view.origin;
  if (view.has_right_origin && Lacks(view, view.right_origin)) return view.right_origin;
  if (view.parent == ParentKind::kItem && Lacks(view, view.parent_item)) return view.parent_item;
  return std::nullopt;
}

// Finds the neighbours, cutting items there. Requires that nothing is missing.
void StructIntegrator::Resolve(const StructView& view) {
  left_ = 0;
  right_ = 0;
  origin_ = {};
  right_origin_ = {};
  is_garbage_ = false;
  if (view.has_origin) {
    origin_ = ToLocal(view.origin);
    left_ = store_.CleanEnd(origin_);
    is_garbage_ = store_.At(left_).IsGc();
  }
  if (view.has_right_origin) {
    right_origin_ = ToLocal(view.right_origin);
    // What is typed at one place has one right origin.
    if (right_origin_ != last_right_origin_) {
      last_right_origin_ = right_origin_;
      last_right_ = store_.CleanStart(right_origin_);
    }
    right_ = last_right_;
    is_garbage_ = is_garbage_ || store_.At(right_).IsGc();
    // No writer's right neighbour is in front of the left one. Where it says so, and both are in
    // one item, that one is in two pieces now. Without this, where the item stands would depend on
    // what has been merged, which is not the same on every node.
    const bool was_cut = view.has_origin && !is_garbage_ && store_.At(left_).end() <= origin_.clock;
    if (was_cut) left_ = store_.CleanEnd(origin_);
  }
}

void StructIntegrator::FindSequence(const StructView& view) {
  BranchRef branch = 0;
  switch (view.parent) {
    case ParentKind::kNeighbour:
      sequence_ = store_.At(left_ != 0 ? left_ : right_).sequence;
      return;
    case ParentKind::kRoot:
      branch = store_.InternRoot(view.parent_root);
      break;
    case ParentKind::kItem: {
      const Item& parent = store_.At(store_.FindItem(ToLocal(view.parent_item)));
      is_garbage_ = parent.kind() != ContentKind::kType;
      if (is_garbage_) return;
      branch = store_.TypeOf(parent);
      break;
    }
  }
  sequence_ = view.has_parent_sub ? store_.KeyOf(branch, store_.atoms().Intern(view.parent_sub))
                                  : store_.ChildrenOf(branch);
}

void StructIntegrator::IntegrateFrom(StructView& view, Clock offset) {
  if (view.content != ContentKind::kGc) Resolve(view);
  if (offset >= view.length) return;
  if (view.content == ContentKind::kAny || view.content == ContentKind::kJson) {
    view.payload = ValuesOf(view.payload);
  }
  if (view.content != ContentKind::kGc && !is_garbage_) FindSequence(view);
  const ClientIndex client = store_.InternClient(view.id.client);
  last_client_ = view.id.client;
  last_index_ = client;
  if (offset > 0) {
    CutView(view, offset, scratch_);
    if (view.content != ContentKind::kGc) {
      origin_ = {.client = client, .clock = view.id.clock - 1};
      left_ = store_.CleanEnd(origin_);
      is_garbage_ = is_garbage_ || store_.At(left_).IsGc();
      // The same, unless somebody wrote two things with one id.
      if (!is_garbage_) sequence_ = store_.At(left_).sequence;
    }
  }
  if (view.content == ContentKind::kGc || is_garbage_) {
    IntegrateGarbage(store_, {.client = client, .clock = view.id.clock}, view.length);
    return;
  }
  if (MaybeExtend(client, view)) return;
  const ItemRef ref = store_.NewItem();
  Item& item = store_.At(ref);
  item.set_client(client);
  item.clock = view.id.clock;
  item.length = view.length;
  item.origin = origin_;
  item.right_origin = right_origin_;
  item.left = left_;
  item.right = right_;
  item.sequence = sequence_;
  SetContent(ref, view);
  Integrate(store_, ref);
}

// Text that would be merged into its left neighbour at the end of the transaction goes there now:
// so it is with what is typed.
bool StructIntegrator::MaybeExtend(ClientIndex client, const StructView& view) {
  if (view.content != ContentKind::kString || left_ == 0) return false;
  const Item& left = store_.At(left_);
  const bool fits = left.client == client && left.end() == view.id.clock &&
                    left.kind() == ContentKind::kString && !left.is_deleted && !left.is_redone &&
                    left.right == right_ && left.right_origin == right_origin_ &&
                    !store_.IsKeyed(left);
  if (!fits) return false;
  store_.ExtendLast(left_, view.payload, view.length);
  NoteChanged(store_, store_.BranchOf(left), 0);
  return true;
}

void StructIntegrator::SetContent(ItemRef ref, const StructView& view) {
  Item& item = store_.At(ref);
  switch (view.content) {
    case ContentKind::kString:
      return store_.SetText(item, view.payload);
    case ContentKind::kDeleted:
      return store_.SetDeleted(item);
    case ContentKind::kFormat: {
      Lib0Reader reader(view.payload);
      const std::string_view key = reader.VarBytes();
      return store_.SetFormat(item, store_.atoms().Intern(key), reader.VarBytes());
    }
    case ContentKind::kType: {
      Lib0Reader reader(view.payload);
      const auto kind = static_cast<TypeKind>(reader.VarUint());
      return store_.SetType(ref, kind, reader.AtEnd() ? std::string_view() : reader.VarBytes());
    }
    case ContentKind::kJson:
    case ContentKind::kAny:
    case ContentKind::kBinary:
    case ContentKind::kEmbed:
    case ContentKind::kDoc:
      return store_.SetPayload(item, view.content, view.payload);
    case ContentKind::kGc:
    case ContentKind::kSkip:
      break;
  }
  CHECK(false);
}

}  // namespace coterie::crdt
