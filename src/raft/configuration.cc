#include "raft/configuration.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace coterie::raft {
namespace {

constexpr std::uint8_t kVersion = 1;

bool Contains(const std::vector<NodeId>& sorted, NodeId id) {
  return std::binary_search(sorted.begin(), sorted.end(), id);
}

bool IsSet(const std::vector<NodeId>& ids) {
  return std::ranges::adjacent_find(ids, std::greater_equal<>()) == ids.end() &&
         !Contains(ids, NodeId());
}

void WriteIds(ByteWriter& writer, const std::vector<NodeId>& ids) {
  writer.Varint(ids.size());
  for (const NodeId id : ids) writer.Id(id);
}

std::vector<NodeId> ReadIds(ByteReader& reader) {
  const std::uint64_t count = reader.Varint();
  if (count > kMembersMax) reader.Fail();
  std::vector<NodeId> ids;
  for (std::uint64_t i = 0; reader.ok() && i < count; ++i) ids.push_back(reader.Id<NodeId>());
  return ids;
}

}  // namespace

bool Configuration::IsVoter(NodeId id) const {
  return Contains(voters, id) || Contains(voters_outgoing, id);
}

bool Configuration::IsMember(NodeId id) const { return Find(id) != nullptr; }

bool IsAlready(const Configuration& configuration, const MembershipChange& change) {
  const auto is_there = [&](const Member& wanted) {
    const Member* found = configuration.Find(wanted.id);
    return found != nullptr && found->address == wanted.address &&
           found->client_address == wanted.client_address;
  };
  const auto is_among = [](const std::vector<NodeId>& ids) {
    return [&ids](NodeId id) { return std::ranges::binary_search(ids, id); };
  };
  return !configuration.IsJoint() && std::ranges::all_of(change.add_learners, is_there) &&
         std::ranges::all_of(change.promote, is_among(configuration.voters)) &&
         std::ranges::all_of(change.demote, is_among(configuration.learners)) &&
         std::ranges::none_of(change.remove, [&](NodeId id) { return configuration.IsMember(id); });
}

const Member* Configuration::Find(NodeId id) const {
  const auto found = std::ranges::lower_bound(members, id, {}, &Member::id);
  return found != members.end() && found->id == id ? &*found : nullptr;
}

bool Configuration::IsValid() const {
  if (voters.empty() || voters.size() > kVotersMax || voters_outgoing.size() > kVotersMax ||
      members.size() > kMembersMax) {
    return false;
  }
  if (!IsSet(voters) || !IsSet(voters_outgoing) || !IsSet(learners)) return false;
  std::vector<NodeId> all = voters;
  all.insert(all.end(), voters_outgoing.begin(), voters_outgoing.end());
  all.insert(all.end(), learners.begin(), learners.end());
  std::ranges::sort(all);
  all.erase(std::unique(all.begin(), all.end()), all.end());
  for (const NodeId learner : learners) {
    if (Contains(voters, learner)) return false;
  }
  const auto is_bounded = [](const Member& member) {
    return member.address.size() <= kAddressBytesMax &&
           member.client_address.size() <= kAddressBytesMax;
  };
  return std::ranges::equal(all, members, {}, {}, &Member::id) &&
         std::ranges::all_of(members, is_bounded);
}

std::optional<Configuration> DecodeConfiguration(std::string_view bytes) {
  ByteReader reader(bytes);
  if (reader.U8() != kVersion) return std::nullopt;
  Configuration configuration;
  configuration.voters = ReadIds(reader);
  configuration.voters_outgoing = ReadIds(reader);
  configuration.learners = ReadIds(reader);
  const std::uint64_t count = reader.Varint();
  if (count > kMembersMax) return std::nullopt;
  for (std::uint64_t i = 0; reader.ok() && i < count; ++i) {
    Member member{.id = reader.Id<NodeId>(), .incarnation = reader.Id<Incarnation>()};
    member.address = reader.Bytes();
    member.client_address = reader.Bytes();
    configuration.members.push_back(std::move(member));
  }
  if (!reader.AtEnd() || !configuration.IsValid()) return std::nullopt;
  return configuration;
}

std::string EncodeConfiguration(const Configuration& configuration) {
  ByteWriter writer;
  writer.U8(kVersion);
  WriteIds(writer, configuration.voters);
  WriteIds(writer, configuration.voters_outgoing);
  WriteIds(writer, configuration.learners);
  writer.Varint(configuration.members.size());
  for (const Member& member : configuration.members) {
    writer.Id(member.id);
    writer.Id(member.incarnation);
    writer.Bytes(member.address);
    writer.Bytes(member.client_address);
  }
  return writer.Take();
}

}  // namespace coterie::raft
