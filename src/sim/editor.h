#pragma once

// A writer's Yjs editor: it keeps copies of the documents, catches up with any server, however far
// behind, and types while it is offline. What was not acknowledged goes along with the next update,
// as providers do. Owner: its client.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/prng.h"
#include "crdt/doc.h"
#include "crdt/id.h"
#include "state/machine.h"

namespace coterie::sim {

class Editor {
 public:
  // `client`: its Yjs client id, nobody else's.
  explicit Editor(crdt::Client client) : client_(client) {}

  // Takes what `machine` has of the document.
  void Sync(const state::Machine& machine, DocId doc);
  struct Typed {
    std::string update;    // All that the cluster may lack.
    crdt::Clock upto = 0;  // Of its own history.
  };
  // Types `word` and a ';' somewhere between two words. Now and then also moves a word of its own,
  // or makes something bold.
  Typed Type(DocId doc, std::string_view word, Prng& prng);
  // An update was acknowledged.
  void OnSaved(DocId doc, crdt::Clock upto);

 private:
  struct Copy {
    crdt::Doc doc{{.garbage = crdt::Garbage::kCollect}};
    crdt::Clock saved_upto = 0;
    std::vector<std::string> words;  // Its own.
  };

  const crdt::Client client_;
  std::map<DocId, Copy> copies_;
};

}  // namespace coterie::sim
