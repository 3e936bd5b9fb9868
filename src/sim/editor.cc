#include "sim/editor.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/check.h"
#include "crdt/text.h"
#include "crdt/transaction.h"
#include "state/content.h"

namespace coterie::sim {
namespace {

// Where a word begins or the text ends.
std::uint64_t AnyBoundary(const std::string& text, Prng& prng) {
  const std::uint64_t words = static_cast<std::uint64_t>(std::ranges::count(text, ';'));
  std::size_t at = 0;
  for (std::uint64_t skip = prng.Below(words + 1); skip > 0; --skip) at = text.find(';', at) + 1;
  return at;
}

// Of `word`, which is one of many: "c1w2;" is also the end of nothing else.
std::optional<std::uint64_t> PlaceOf(const std::string& text, const std::string& word) {
  if (text.starts_with(word)) return 0;
  const std::size_t found = text.find(absl::StrCat(";", word));
  if (found == std::string::npos) return std::nullopt;
  return found + 1;
}

}  // namespace

void Editor::Sync(const state::Machine& machine, DocId doc) {
  Copy& copy = copies_[doc];
  const std::optional<std::string> update =
      machine.UpdateAt(doc, Revision(), copy.doc.state_vector());
  if (!update) return;
  CHECK(!copy.doc.Apply(*update));
  CHECK(!copy.doc.HasPending());
}

Editor::Typed Editor::Type(DocId doc, std::string_view word, Prng& prng) {
  Copy& copy = copies_[doc];
  crdt::Text text(copy.doc, copy.doc.Root(state::kTextRoot));
  {
    crdt::Transaction transaction(copy.doc, client_);
    if (!copy.words.empty() && prng.Chance(1, 6)) {
      const std::string& moved = copy.words[prng.Below(copy.words.size())];
      if (const auto place = PlaceOf(text.ToString(), moved)) {
        text.Delete(transaction, *place, moved.size());
        text.Insert(transaction, AnyBoundary(text.ToString(), prng), moved);
      }
    }
    if (text.length() > 0 && prng.Chance(1, 6)) {
      // Not past the end: Yjs fills up with newlines.
      const std::uint64_t at = prng.Below(text.length());
      text.Format(transaction, at, prng.Between(1, std::min<std::uint64_t>(20, text.length() - at)),
                  {{"bold", prng.Chance(1, 2) ? "true" : "null"}});
    }
    copy.words.push_back(std::string(word) + ";");
    text.Insert(transaction, AnyBoundary(text.ToString(), prng), copy.words.back());
  }
  crdt::StateVector known = copy.doc.state_vector();
  const crdt::Clock upto = known.At(client_);
  known.Set(client_, copy.saved_upto);
  return {.update = copy.doc.EncodeStateAsUpdate(known), .upto = upto};
}

void Editor::OnSaved(DocId doc, crdt::Clock upto) {
  Copy& copy = copies_[doc];
  copy.saved_upto = std::max(copy.saved_upto, upto);
}

}  // namespace coterie::sim
