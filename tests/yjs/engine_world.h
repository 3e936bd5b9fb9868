#pragma once

// Our engine behind the oracle's commands (world.mjs): the same documents, the same edits, the same
// answers, so that the two can be compared. One owner; one thread.

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "crdt/doc.h"
#include "crdt/id.h"
#include "crdt/relative_position.h"
#include "crdt/snapshot.h"
#include "crdt/transaction.h"
#include "crdt/type_handle.h"
#include "crdt/undo.h"

namespace coterie::tests {

using Json = nlohmann::json;

class EngineWorld {
 public:
  // The answer to one command, as the oracle's but for what Plain() takes away.
  Json Perform(const Json& command);

  // Whether document 0 waits for something.
  bool HasPending() { return At(0).doc.HasPending(); }

  // Checks every document from the inside.
  void CheckInvariants() const;

 private:
  struct Replica {
    crdt::Doc doc;
    crdt::Client client;
    std::vector<std::string> log;  // Every update event, V1.
    std::unique_ptr<crdt::UndoHistory> undo;
    std::uint64_t now_ticks = 0;  // One transaction takes one.
    bool is_observed = false;
    Json told = Json::array();  // What observers were told, by transaction.
  };
  struct Target {
    crdt::TypeHandle type;
    crdt::TypeKind kind;
  };

  Replica& At(const Json& number);
  std::optional<Target> Find(Replica& replica, const Json& target);
  void Edit(Replica& replica, crdt::Transaction& transaction, const Json& edit);
  void EditText(Replica& replica, crdt::Transaction& transaction, const Target& target,
                const Json& edit);
  void EditList(Replica& replica, crdt::Transaction& transaction, const Target& target,
                const Json& edit);
  void EditMap(Replica& replica, crdt::Transaction& transaction, const Target& target,
               const Json& edit);
  void Remember(Replica& replica, crdt::Clock before);

  Json EditAll(const Json& command);
  Json Send(const Json& command);
  Json SendMerged(const Json& command);
  Json SendDiffed(const Json& command);
  Json Sync(const Json& command);
  Json State(const Json& command);
  Json View(Replica& replica);
  Json PerformOnOne(const Json& command);
  Json New(const Json& command);
  Json Track(Replica& replica, const Json& command);
  enum class Direction { kUndo, kRedo };
  Json StepBack(Replica& replica, Direction direction);
  Json Snapshot(Replica& replica, const Json& slot);
  Json Restore(Replica& replica, const Json& slot);
  Json Relative(Replica& replica, const Json& command);
  Json Absolute(Replica& replica, const Json& n);
  // Takes and answers bytes of either format; appends the event, if any, to `answer`.
  void ApplyTo(Replica& replica, const std::string& update, int version, Json& answer);
  // Of a transaction that is over.
  void Tell(Replica& replica, const crdt::Outcome& outcome);

  std::map<int, std::unique_ptr<Replica>> replicas_;
  std::map<std::string, crdt::Snapshot> slots_;
  std::vector<crdt::RelativePosition> relatives_;  // Every one that was made.
  std::vector<crdt::Id> types_;  // Of every shared type made by an edit, oldest first.
};

// What is left of the oracle's answer when JSON is all there is: undefined and bytes as
// JSON.stringify() writes them, a subdocument as an empty object.
Json Plain(const Json& answer);

}  // namespace coterie::tests
