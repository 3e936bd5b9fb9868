#pragma once

// The content of one document: a Yjs document that any editor may write, and the text that people
// see of it. That text is in one of the document's root types, the main one: the first in which
// somebody puts letters, which the document's head names from then on. Until then it is found anew
// whenever something changes: a text with an embed, or a rich editor's XML, or else kTextRoot.
// Where the main root holds no plain text (but XML), it can be read but not edited by position.
// Not here: storage (contents.cc), rights, limits. One owner.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/utf8.h"
#include "crdt/doc.h"
#include "crdt/events.h"
#include "crdt/lib0.h"
#include "crdt/state_vector.h"
#include "state/machine.h"

namespace coterie::state {

// Where the text of documents lies that were not begun by an editor.
inline constexpr std::string_view kTextRoot = "text";
// How a head names the root whose name is empty, which is that of a doc.getText() in Yjs: no UTF-8.
inline constexpr std::string_view kUnnamedRoot = "\xff";

class Content {
 public:
  // So many client ids, one after the other, write for the machine: each up to 2^31 units.
  static constexpr std::uint64_t kTurnsMax = 256;

  // `root`: what the head of the document says; "" = not known yet. `writer_seed`: which client ids
  // the machine's own edits have; another one for the documents of every cluster.
  Content(DocId doc, std::string root, std::uint64_t writer_seed);

  // Merges what is stored ("" = nothing); false if that is damaged.
  [[nodiscard]] bool Load(std::string_view update);
  // The same, and false if that takes longer than Apply() may; then this content is spoilt.
  [[nodiscard]] bool LoadBounded(std::string_view update);

  // What a change did.
  struct Effect {
    std::string update;  // For all who have the content as it was; "" = nothing changed.
    // What must be kept of it: whoever loads it in its turn gets this content again, exactly. Of an
    // editor's update that is what was applied and not `update`, which tells what came of it: an
    // update that no editor would make can have effects that show in the order of things alone.
    std::string stored;
    std::vector<crdt::TextChange> changes;  // Of the text.
  };
  // Merges an editor's update. On a malformed one, or one that speaks for the machine's own client
  // or builds on what that has not written, nothing happens. Also decides on the main root if
  // nobody has yet. `embeds`: whether the changes tell of embeds, too. An update whose places take
  // longer to find than `searches` says is refused, and then this content is spoilt: it must be
  // loaded anew. kShort: longer than a millisecond or so. kBounded: than an update may cost. That
  // is counted in items, and how items are cut may depend on whether a content was loaded or
  // changed since: so whoever must judge as all others do asks a content that was just loaded.
  enum class Searches : std::uint8_t { kUnbounded, kShort, kBounded };
  [[nodiscard]] crdt::Malformed Apply(std::string_view update, crdt::Embeds embeds,
                                      Searches searches, Effect& effect);
  bool is_spoilt() const { return is_spoilt_; }
  // What of an editor's update Apply() would merge because it is not here; empty = nothing. Refuses
  // what Apply() refuses for who wrote it, or for its bytes.
  [[nodiscard]] crdt::Malformed FindNews(std::string_view update, std::string& news) const;
  // Whether with it more than `bytes_max` of the content would wait for updates that are not there.
  bool WouldWait(std::string_view update, std::uint64_t bytes_max) const;
  // Merges what FindNews() found, also of several updates that were merged into one since: the rest
  // of Apply(). Refuses what would make the document too large.
  [[nodiscard]] crdt::Malformed ApplyNews(std::string news, crdt::Embeds embeds, Searches searches,
                                          Effect& effect);
  // What that would say. Costs about as much.
  crdt::Malformed RefuseNews(std::string_view news) const { return doc_.Refuse(news); }
  // Whether the machine can still write; else no Change() and no BecomeLike().
  bool HasWriter() const { return WritersTurn() < kTurnsMax; }
  // Changes the text, in order, each in what the one before left: at its position in UTF-16 units,
  // what it deletes and as many embeds, all of which are there. Requires IsText(kTold).
  Effect Change(const std::vector<crdt::TextChange>& changes);
  // Makes `letters` of the text, with as little change as can be found. Embeds stay; where one is
  // and letters come, they come behind it. Requires IsText(kTold).
  Effect ReplaceLetters(std::string_view letters);
  // The same with formatting and embeds, in UTF-16 units; tells of embeds. Requires places that are
  // there and IsText(crdt::Embeds::kTold).
  Effect Change(const crdt::Delta& delta);
  // Makes the content what `other` is, with as little change as can be found.
  Effect BecomeLike(const Content& other, crdt::Embeds embeds);

  // Whether the text can be edited by position. kIgnored: not if it has nothing but embeds.
  bool IsText(crdt::Embeds embeds) const;
  // For the head: the name of the main root, once it is decided; else "".
  std::string root() const;
  // What people read. `root`: of another root than that of the text; "" = of that.
  Reading Read(std::string_view root) const;
  TextSize size() const;
  std::string ToString() const;
  // The same with U+FFFC for each unit that is no text, so that its UTF-16 units are the content's.
  std::string ToStringWithEmbeds() const;
  // As crdt::Text's, of the text.
  bool HasMoreAttributesThan(std::size_t count) const;
  std::optional<TextSize> Locate(std::uint64_t position, PositionUnit unit) const;
  std::string Slice(std::uint64_t begin_bytes, std::uint64_t size_bytes) const;

  // A place between two units of the text that stays where it is while others write, as bytes: it
  // follows the unit to its right, or the one to its left. Requires `position` to be in the text.
  enum class Follows : std::uint8_t { kRight, kLeft };
  std::string AnchorAt(TextSize position, Follows follows) const;
  // Where that is now; nothing if the bytes mean no place of this text.
  std::optional<TextSize> Resolve(std::string_view anchor) const;

  std::string Encode() const { return doc_.EncodeStateAsUpdate(); }
  // What who knows `known` lacks.
  std::string EncodeFrom(const crdt::StateVector& known) const {
    return doc_.EncodeStateAsUpdate(known);
  }
  // Whether who has `encoded`, the Encode() of this, has all that this is.
  bool IsTold(const Content& encoded) const;
  // The clocks up to which each client's structs are here.
  crdt::StateVector state_vector() const { return doc_.state_vector(); }
  std::size_t memory_bytes() const { return doc_.memory_bytes(); }
  void CheckInvariants() const { doc_.CheckInvariantsDeep(); }

 private:
  // What people see of a content whose main root is not decided.
  struct Guess {
    std::string edited;  // Whose text is edited by position.
    std::string shown;   // The same, or where there is nothing in it, what else there is.
  };
  // The text as it is before a change.
  struct Before {
    std::string root;
    std::optional<crdt::TypeHandle> type;
    TextSize size;
    bool is_text = false;
  };
  void ForgetGuess() { guess_.reset(); }
  Guess GuessRoot() const;
  const std::string& EditedRoot() const;
  const std::string& ShownRoot() const;
  std::optional<crdt::TypeHandle> EditedType() const { return doc_.FindRoot(EditedRoot()); }
  void MaybeChooseRoot();
  Before LookBefore(crdt::Embeds embeds) const;
  void TellChanges(const Before& before, crdt::Outcome& outcome, Effect& effect);
  std::vector<crdt::TextChange> PlaceBesideEmbeds(std::vector<crdt::TextChange> changes) const;
  // The client id of the machine's own edits, in no editor's hands, and how many there were before.
  crdt::Client Writer() const;
  std::uint64_t WritersTurn() const;
  bool IsAhead(crdt::Client client, crdt::Clock end) const;
  crdt::Malformed RefuseWriters(std::string_view update) const;

  std::uint64_t first_writer_;
  std::optional<std::string> root_;     // The main one, once it is decided.
  mutable std::optional<Guess> guess_;  // As it follows from what is there now.
  bool is_spoilt_ = false;
  mutable crdt::Doc doc_;  // Reading is done through views of a doc that could be written.
};

}  // namespace coterie::state
