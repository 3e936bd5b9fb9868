// The bytes of commands: what clients' proposals travel and are logged as.
//
//   command          = version, session, client, sequence, acked_below, alternative, its fields
//   stamped command  = version, time_ms, origin, waiter, command

#include "base/bytes.h"
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
struct Fields<Command> {
  static constexpr auto kMembers = std::tuple(&Command::session, &Command::request, &Command::body);
};
template <>
struct Fields<Stamp> {
  static constexpr auto kMembers = std::tuple(&Stamp::time_ms, &Stamp::origin, &Stamp::waiter);
};

// The alternatives' numbers are in every log: new ones go to the end.
static_assert(std::variant_size_v<CommandBody> == 27);
static_assert(std::is_same_v<std::variant_alternative_t<0, CommandBody>, CreateUser>);
static_assert(std::is_same_v<std::variant_alternative_t<12, CommandBody>, Write>);
static_assert(std::is_same_v<std::variant_alternative_t<20, CommandBody>, CheckDigest>);
static_assert(std::is_same_v<std::variant_alternative_t<21, CommandBody>, ApplyUpdate>);
static_assert(std::is_same_v<std::variant_alternative_t<23, CommandBody>, ResolveSuggestions>);
static_assert(std::is_same_v<std::variant_alternative_t<26, CommandBody>, DropDraft>);

}  // namespace codec

std::string EncodeCommand(const Command& command) { return codec::EncodeRecord(command); }

bool IsKnownCommand(std::string_view bytes) {
  ByteReader in(bytes);
  if (in.U8() != codec::kVersion) return false;
  SessionId session;
  RequestId request;
  codec::Take(in, session);
  codec::Take(in, request);
  return in.U8() < std::variant_size_v<CommandBody> && in.ok();
}

std::optional<Command> DecodeCommand(std::string_view bytes) {
  if (bytes.size() > kCommandBytesMax) return std::nullopt;
  std::optional<Command> command = codec::DecodeRecord<Command>(bytes);
  if (command && RefuseMalformed(*command)) return std::nullopt;
  return command;
}

std::string StampCommand(const Stamp& stamp, std::string_view encoded_command) {
  ByteWriter out;
  out.U8(codec::kVersion);
  codec::Put(out, stamp);
  out.Raw(encoded_command);
  return out.Take();
}

std::optional<StampedCommand> DecodeStampedCommand(std::string_view payload) {
  ByteReader in(payload);
  if (in.U8() != codec::kVersion) return std::nullopt;
  StampedCommand result;
  codec::Take(in, result.stamp);
  if (!in.ok()) return std::nullopt;
  std::optional<Command> command = codec::DecodeRecord<Command>(in.Raw(in.remaining_bytes()));
  if (!command) return std::nullopt;
  result.command = std::move(*command);
  return result;
}

}  // namespace coterie::state
