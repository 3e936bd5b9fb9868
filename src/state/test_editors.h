#pragma once

// Yjs editors at random for the machine's tests: each has a copy of a document, some way behind,
// and yields updates of it: of texts, formatted or not, of maps and of XML; some are held back,
// sent twice, or out of order. For tests only.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "crdt/array.h"
#include "crdt/doc.h"
#include "crdt/map.h"
#include "crdt/text.h"
#include "crdt/transaction.h"
#include "state/machine.h"

namespace coterie::state {

class RandomEditors {
 public:
  RandomEditors(const Machine& machine, std::uint64_t seed) : machine_(machine), prng_(seed) {}

  // An update that one of the editors of `doc` has made, now or before.
  std::string NextUpdate(DocId doc) {
    std::vector<Editor>& editors = editors_[doc];
    if (editors.size() < 3) editors.emplace_back(crdt::Client(prng_.Between(1, 0xffff'ffff)));
    Editor& editor = editors[prng_.Below(editors.size())];
    if (prng_.Chance(1, 2)) Sync(editor, doc);
    const std::string update = Edit(editor);
    if (!update.empty()) editor.unsent.push_back(update);
    if (!editor.unsent.empty() && prng_.Chance(3, 4)) {
      // Mostly the oldest: what comes before it is missing otherwise.
      const std::uint64_t which = prng_.Chance(1, 5) ? prng_.Below(editor.unsent.size()) : 0;
      const auto place = editor.unsent.begin() + static_cast<std::ptrdiff_t>(which);
      editor.sent.push_back(*place);
      editor.unsent.erase(place);
    }
    if (editor.sent.empty()) return editor.doc.EncodeStateAsUpdate();
    return prng_.Chance(4, 5) ? editor.sent.back() : editor.sent[prng_.Below(editor.sent.size())];
  }

 private:
  struct Editor {
    explicit Editor(crdt::Client id) : client(id) {}
    crdt::Client client;
    crdt::Doc doc{{.garbage = crdt::Garbage::kCollect}};
    std::vector<std::string> unsent;
    std::vector<std::string> sent;
  };

  void Sync(Editor& editor, DocId doc) {
    const std::optional<std::string> update =
        machine_.UpdateAt(doc, Revision(), editor.doc.state_vector());
    if (update) CHECK(!editor.doc.Apply(*update));
  }

  std::string AnyText() {
    static const std::vector<std::string> kLetters = {"a", "b", "é", "€", "\U0001F600", "\n"};
    std::string text;
    for (std::uint64_t size = prng_.Between(1, 12); size > 0; --size) {
      text += kLetters[prng_.Below(kLetters.size())];
    }
    return text;
  }

  std::string Edit(Editor& editor) {
    crdt::Doc& doc = editor.doc;
    // Most documents are a text, as the machine's own edits make them.
    crdt::Text text(doc, doc.Root(prng_.Chance(1, 8) ? "other" : "text"));
    const std::uint64_t at = prng_.Below(text.length() + 1);
    crdt::Transaction transaction(doc, editor.client);
    switch (prng_.Below(10)) {
      case 0:
      case 1:
        text.Delete(transaction, at, prng_.Between(1, 8));
        break;
      case 2:
        text.Format(transaction, at, prng_.Between(1, 8),
                    {{"bold", prng_.Chance(1, 2) ? "true" : "null"}});
        break;
      case 3:
        crdt::Map(doc, doc.Root("map"))
            .Set(transaction, prng_.Chance(1, 2) ? "a" : "b",
                 crdt::NewAny{.any = std::string("\x7d") + static_cast<char>(prng_.Below(60))});
        break;
      case 4:
        crdt::Array(doc, doc.Root("xml"))
            .Push(transaction, {crdt::NewType{.kind = crdt::TypeKind::kXmlElement, .name = "p"}});
        break;
      case 5:
        text.InsertEmbed(transaction, at, "{\"image\":1}", {});
        break;
      default:
        text.Insert(transaction, at, AnyText());
    }
    return transaction.Commit().update;
  }

  const Machine& machine_;
  Prng prng_;
  std::map<DocId, std::vector<Editor>> editors_;
};

}  // namespace coterie::state
