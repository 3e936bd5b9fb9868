// The bytes of commands: what clients' proposals travel and are logged as.
//
//   command          = version, session, client, sequence, acked_below, alternative, its fields
//   stamped command  = version, time_ms, origin, waiter, level if version is 2, command
//
// A stamp of version 1 is of the oldest level.

#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"
#include "state/codec.h"
#include "state/command.h"
#include "state/command_check.h"
#include "state/shared_fields.h"

namespace coterie::state {
namespace codec {

template <>
struct LastOf<PositionUnit> {
  static constexpr auto kValue = PositionUnit::kCodePoint;
};
template <>
struct Fields<RequestId> {
  static constexpr auto kMembers =
      std::tuple(&RequestId::client, &RequestId::sequence, &RequestId::acked_below);
};
template <>
struct Fields<Splice> {
  static constexpr auto kMembers =
      std::tuple(&Splice::position, &Splice::deleted, &Splice::inserted);
};
template <>
struct Fields<CreateUser> {
  static constexpr auto kMembers =
      std::tuple(&CreateUser::name, &CreateUser::password_hash, &CreateUser::is_admin);
};
template <>
struct Fields<SetPassword> {
  static constexpr auto kMembers = std::tuple(&SetPassword::name, &SetPassword::password_hash);
};
template <>
struct Fields<RemoveUser> {
  static constexpr auto kMembers = std::tuple(&RemoveUser::name);
};
template <>
struct Fields<Login> {
  static constexpr auto kMembers =
      std::tuple(&Login::user, &Login::verified_hash, &Login::create_user, &Login::create_as_admin,
                 &Login::token_hash, &Login::lifetime_ms);
};
template <>
struct Fields<Logout> {
  static constexpr auto kMembers = std::tuple();
};
template <>
struct Fields<ExpireSession> {
  static constexpr auto kMembers = std::tuple(&ExpireSession::session);
};
template <>
struct Fields<Attach> {
  static constexpr auto kMembers = std::tuple(&Attach::lease_ms);
};
template <>
struct Fields<Leave> {
  static constexpr auto kMembers = std::tuple(&Leave::session, &Leave::attached, &Leave::reason);
};
template <>
struct Fields<CreateDocument> {
  static constexpr auto kMembers =
      std::tuple(&CreateDocument::name, &CreateDocument::text, &CreateDocument::everyone);
};
template <>
struct Fields<RenameDocument> {
  static constexpr auto kMembers = std::tuple(&RenameDocument::doc, &RenameDocument::name);
};
template <>
struct Fields<DeleteDocument> {
  static constexpr auto kMembers = std::tuple(&DeleteDocument::doc);
};
template <>
struct Fields<ShareDocument> {
  static constexpr auto kMembers =
      std::tuple(&ShareDocument::doc, &ShareDocument::user, &ShareDocument::role);
};
template <>
struct Fields<Write> {
  static constexpr auto kMembers = std::tuple(&Write::doc, &Write::token, &Write::text);
};
template <>
struct Fields<Edit> {
  static constexpr auto kMembers =
      std::tuple(&Edit::doc, &Edit::token, &Edit::base, &Edit::unit, &Edit::splices);
};
template <>
struct Fields<Append> {
  static constexpr auto kMembers = std::tuple(&Append::doc, &Append::token, &Append::text);
};
template <>
struct Fields<Restore> {
  static constexpr auto kMembers = std::tuple(&Restore::doc, &Restore::token, &Restore::version);
};
template <>
struct Fields<Lock> {
  static constexpr auto kMembers = std::tuple(&Lock::doc, &Lock::ttl_ms);
};
template <>
struct Fields<Unlock> {
  static constexpr auto kMembers = std::tuple(&Unlock::doc, &Unlock::token);
};
template <>
struct Fields<BreakLock> {
  static constexpr auto kMembers = std::tuple(&BreakLock::doc);
};
template <>
struct Fields<ExpireLock> {
  static constexpr auto kMembers =
      std::tuple(&ExpireLock::doc, &ExpireLock::token, &ExpireLock::renewed);
};
template <>
struct Fields<CheckDigest> {
  static constexpr auto kMembers = std::tuple(&CheckDigest::at, &CheckDigest::digest);
};
template <>
struct Fields<ApplyUpdate> {
  static constexpr auto kMembers =
      std::tuple(&ApplyUpdate::doc, &ApplyUpdate::token, &ApplyUpdate::update);
};
template <>
struct Fields<SuggestedChange> {
  static constexpr auto kMembers = std::tuple(&SuggestedChange::position, &SuggestedChange::before,
                                              &SuggestedChange::after, &SuggestedChange::why);
};
template <>
struct Fields<AddSuggestions> {
  static constexpr auto kMembers =
      std::tuple(&AddSuggestions::doc, &AddSuggestions::base, &AddSuggestions::kind,
                 &AddSuggestions::author, &AddSuggestions::model, &AddSuggestions::changes);
};
template <>
struct Fields<ResolveSuggestions> {
  static constexpr auto kMembers =
      std::tuple(&ResolveSuggestions::doc, &ResolveSuggestions::token, &ResolveSuggestions::batch,
                 &ResolveSuggestions::ordinal, &ResolveSuggestions::resolution);
};
template <>
struct Fields<SaveDraft> {
  static constexpr auto kMembers = std::tuple(&SaveDraft::doc, &SaveDraft::update);
};
template <>
struct Fields<MergeDraft> {
  static constexpr auto kMembers =
      std::tuple(&MergeDraft::doc, &MergeDraft::token, &MergeDraft::user);
};
template <>
struct Fields<DropDraft> {
  static constexpr auto kMembers = std::tuple(&DropDraft::doc, &DropDraft::user);
};
template <>
struct LastOf<StepKind> {
  static constexpr auto kValue = StepKind::kDelete;
};
template <>
struct Fields<DeltaStep> {
  static constexpr auto kMembers =
      std::tuple(&DeltaStep::kind, &DeltaStep::length, &DeltaStep::text, &DeltaStep::attributes);
};
template <>
struct Fields<EditDelta> {
  static constexpr auto kMembers = std::tuple(&EditDelta::doc, &EditDelta::token, &EditDelta::base,
                                              &EditDelta::unit, &EditDelta::steps);
};
template <>
struct Fields<UpdatePart> {
  static constexpr auto kMembers =
      std::tuple(&UpdatePart::session, &UpdatePart::request, &UpdatePart::update);
};
template <>
struct Fields<ApplyUpdates> {
  static constexpr auto kMembers = std::tuple(&ApplyUpdates::doc, &ApplyUpdates::parts);
};
template <>
struct Fields<Command> {
  static constexpr auto kMembers = std::tuple(&Command::session, &Command::request, &Command::body);
};
template <>
struct Fields<Stamp> {
  static constexpr auto kMembers = std::tuple(&Stamp::time_ms, &Stamp::origin, &Stamp::waiter);
};

// The alternatives' numbers are in every log: new ones go to the end.
static_assert(std::variant_size_v<CommandBody> == 29);
static_assert(std::is_same_v<std::variant_alternative_t<0, CommandBody>, CreateUser>);
static_assert(std::is_same_v<std::variant_alternative_t<12, CommandBody>, Write>);
static_assert(std::is_same_v<std::variant_alternative_t<20, CommandBody>, CheckDigest>);
static_assert(std::is_same_v<std::variant_alternative_t<21, CommandBody>, ApplyUpdate>);
static_assert(std::is_same_v<std::variant_alternative_t<23, CommandBody>, ResolveSuggestions>);
static_assert(std::is_same_v<std::variant_alternative_t<26, CommandBody>, DropDraft>);
static_assert(std::is_same_v<std::variant_alternative_t<27, CommandBody>, EditDelta>);
static_assert(std::is_same_v<std::variant_alternative_t<28, CommandBody>, ApplyUpdates>);

}  // namespace codec

namespace {

// The first alternatives of the levels above the oldest.
constexpr std::size_t kFirstOfLevel2 = 21;
constexpr std::size_t kFirstOfLevel3 = 24;
constexpr std::size_t kApplyUpdate = 21;
constexpr std::size_t kApplyUpdates = 28;
static_assert(std::is_same_v<std::variant_alternative_t<kApplyUpdate, CommandBody>, ApplyUpdate>);
static_assert(std::is_same_v<std::variant_alternative_t<kApplyUpdates, CommandBody>, ApplyUpdates>);

constexpr std::uint8_t kStampVersion = codec::kVersion;
constexpr std::uint8_t kLevelledStampVersion = 2;

// The number of a command's alternative; past the last one if the command is not known.
std::size_t KindOf(std::string_view bytes) {
  constexpr std::size_t kUnknown = std::variant_size_v<CommandBody>;
  ByteReader in(bytes);
  if (in.U8() != codec::kVersion) return kUnknown;
  SessionId session;
  RequestId request;
  codec::Take(in, session);
  codec::Take(in, request);
  const std::size_t kind = in.U8();
  return in.ok() ? std::min(kind, kUnknown) : kUnknown;
}

// What stands before the command; empty if it does not decode.
std::optional<Stamp> TakeStamp(ByteReader& in) {
  const std::uint8_t version = in.U8();
  if (version != kStampVersion && version != kLevelledStampVersion) return std::nullopt;
  Stamp stamp{.level = kLevelOldest};
  codec::Take(in, stamp);
  if (version == kLevelledStampVersion) {
    stamp.level = in.Varint();
    if (stamp.level < kLevelOfStamps || stamp.level > kLevelNewest) return std::nullopt;
  }
  if (!in.ok()) return std::nullopt;
  return stamp;
}

}  // namespace

bool IsRepeatable(const Command& command) {
  if (std::holds_alternative<ApplyUpdates>(command.body)) return true;
  return !command.session.IsNone() && command.request.sequence != 0;
}

std::string EncodeCommand(const Command& command) { return codec::EncodeRecord(command); }

bool IsKnownCommand(std::string_view bytes) {
  return KindOf(bytes) < std::variant_size_v<CommandBody>;
}

std::uint64_t LevelOfCommand(std::string_view bytes) {
  const std::size_t kind = KindOf(bytes);
  CHECK(kind < std::variant_size_v<CommandBody>);
  if (kind >= kFirstOfLevel3) return 3;
  return kind >= kFirstOfLevel2 ? 2 : kLevelOldest;
}

bool IsEditorUpdate(std::string_view bytes) {
  const std::size_t kind = KindOf(bytes);
  return kind == kApplyUpdate || kind == kApplyUpdates;
}

std::uint64_t LevelOfPayload(std::string_view payload) {
  ByteReader in(payload);
  const std::optional<Stamp> stamp = TakeStamp(in);
  if (!stamp) return kLevelNewest + 1;
  const std::string_view command = in.Raw(in.remaining_bytes());
  if (!IsKnownCommand(command)) return kLevelNewest + 1;
  return std::max(stamp->level, LevelOfCommand(command));
}

std::optional<Command> DecodeCommand(std::string_view bytes) {
  if (bytes.size() > kCommandBytesMax) return std::nullopt;
  std::optional<Command> command = codec::DecodeRecord<Command>(bytes);
  if (command && RefuseMalformed(*command)) return std::nullopt;
  return command;
}

std::string StampCommand(const Stamp& stamp, std::string_view encoded_command) {
  CHECK(stamp.level <= kLevelNewest);
  const bool is_levelled = stamp.level >= kLevelOfStamps;
  ByteWriter out;
  out.U8(is_levelled ? kLevelledStampVersion : kStampVersion);
  codec::Put(out, stamp);
  if (is_levelled) out.Varint(stamp.level);
  out.Raw(encoded_command);
  return out.Take();
}

std::optional<StampedCommand> DecodeStampedCommand(std::string_view payload) {
  ByteReader in(payload);
  const std::optional<Stamp> stamp = TakeStamp(in);
  if (!stamp) return std::nullopt;
  StampedCommand result{.stamp = *stamp, .command = {}};
  std::optional<Command> command = codec::DecodeRecord<Command>(in.Raw(in.remaining_bytes()));
  if (!command) return std::nullopt;
  result.command = std::move(*command);
  return result;
}

}  // namespace coterie::state
