#include "raft/testing/describe.h"

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/overload.h"

namespace coterie::raft::testing {
namespace {

template <class Tag>
std::string Number(Tagged<Tag> id) {
  return std::to_string(id.value());
}

std::string List(const std::vector<NodeId>& ids) {
  std::string text;
  for (const NodeId id : ids) text += (text.empty() ? "" : ",") + Number(id);
  return text;
}

std::string Name(VoteKind kind) {
  if (kind == VoteKind::kPreVote) return "pre-vote";
  return kind == VoteKind::kVote ? "vote" : "transfer-vote";
}

std::string DescribeBody(const Body& body) {
  return std::visit(
      Overload{[](const VoteRequest& request) {
                 return Name(request.kind) + "? last=" + Describe(request.last);
               },
               [](const VoteReply& reply) {
                 return Name(reply.kind) + (reply.granted ? " granted" : " refused");
               },
               [](const AppendRequest& request) {
                 return "append after=" + Describe(request.previous) +
                        " commit=" + Number(request.commit) + " " + Describe(request.entries);
               },
               [](const AppendReply& reply) {
                 return reply.success ? "appended match=" + Number(reply.match)
                                      : "rejected " + Number(reply.rejected) +
                                            " hint=" + Describe(reply.hint);
               },
               [](const Heartbeat& heartbeat) {
                 return "heartbeat commit=" + Number(heartbeat.commit) +
                        " read=" + std::to_string(heartbeat.read_sequence);
               },
               [](const HeartbeatReply& reply) {
                 return "heartbeat-reply read=" + std::to_string(reply.read_sequence);
               },
               // Request ids start at random: not part of a transcript.
               [](const ReadIndexRequest&) { return std::string("read-index?"); },
               [](const ReadIndexReply& reply) { return "read-index " + Number(reply.index); },
               [](const TimeoutNow&) { return std::string("timeout-now"); },
               [](const SnapshotOffer& offer) {
                 return "snapshot-offer " + Describe(offer.last) + " " +
                        Describe(offer.configuration);
               },
               [](const SnapshotReply& reply) {
                 return std::string("snapshot-reply ") +
                        (reply.installed ? "installed match=" + Number(reply.match) : "failed");
               }},
      body);
}

}  // namespace

std::string Describe(LogPosition position) {
  return Number(position.term) + "/" + Number(position.index);
}

std::string Describe(const std::vector<EntryRef>& entries) {
  std::string text = "[";
  for (const EntryRef& entry : entries) {
    if (text.size() > 1) text += " ";
    text += Describe(entry.position());
    if (entry.type == EntryType::kNoop) text += " noop";
    if (entry.type == EntryType::kCommand) text += " " + std::string(entry.payload.view());
    if (entry.type == EntryType::kConfiguration) {
      text += " " + Describe(*DecodeConfiguration(entry.payload.view()));
    }
  }
  return text + "]";
}

std::string Describe(const Configuration& configuration) {
  std::string text = "{" + List(configuration.voters);
  if (configuration.IsJoint()) text += " from " + List(configuration.voters_outgoing);
  if (!configuration.learners.empty()) text += " learners " + List(configuration.learners);
  return text + "}";
}

std::string Describe(const Message& message) {
  return Number(message.from) + ">" + Number(message.to) + " t" + Number(message.term) + " " +
         DescribeBody(message.body);
}

std::string Describe(const AppendJob& job) {
  std::string text = "write";
  if (job.hard_state) {
    text += " term=" + Number(job.hard_state->term) + " vote=" + Number(job.hard_state->vote);
  }
  if (!job.truncate_from.IsNone()) text += " truncate=" + Number(job.truncate_from);
  if (!job.entries.empty()) text += " " + Describe(job.entries);
  for (const Message& message : job.after_durable) text += "\n       then " + Describe(message);
  return text;
}

std::string Describe(const RoleChange& change) {
  std::string text = Describe(change.role) + " term=" + Number(change.term);
  if (!change.leader.IsNone()) text += " leader=" + Number(change.leader);
  return text;
}

std::string Describe(Role role) {
  switch (role) {
    case Role::kFollower:
      return "follower";
    case Role::kPreCandidate:
      return "pre-candidate";
    case Role::kCandidate:
      return "candidate";
    case Role::kLeader:
      return "leader";
  }
  return "?";
}

}  // namespace coterie::raft::testing
