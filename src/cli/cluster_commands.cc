// cluster status|add|remove|promote|transfer|snapshot.

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "cli/commands.h"
#include "client/address_book.h"
#include "runtime/status_macros.h"

namespace coterie::cli {
namespace {

struct Flags {
  std::uint64_t node_id = 0;
  std::string peer_address;
  std::string client_address;
  bool yes = false;
  bool local = false;
};

bool IsMember(const v1::NodeStatus& node) { return node.role() != v1::NODE_ROLE_UNSPECIFIED; }
bool IsVoter(const v1::NodeStatus& node) {
  return IsMember(node) && node.role() != v1::NODE_ROLE_LEARNER;
}

// "3 of 3 up, 1 failure tolerated, no alarms": the line that an operator reads first.
std::string Verdict(Invocation& cli, const v1::GetStatusResponse& status) {
  int voters = 0;
  int up = 0;
  std::vector<std::string> alarms;
  for (const v1::NodeStatus& node : status.nodes()) {
    voters += IsVoter(node) ? 1 : 0;
    up += IsVoter(node) && node.is_reachable() ? 1 : 0;
    for (const std::string& alarm : node.alarms()) {
      alarms.push_back(absl::StrCat("n", node.node_id(), ": ", OneLine(alarm, 64)));
    }
  }
  const int tolerated = up - (voters / 2 + 1);
  const std::string rest = absl::StrCat(
      up, " of ", voters, " up, ", std::max(tolerated, 0), " failure", tolerated == 1 ? "" : "s",
      " tolerated, ", alarms.empty() ? std::string("no alarms") : absl::StrJoin(alarms, "; "));
  if (tolerated < 0 || status.leader_id() == 0) {
    return cli.Paint("No majority: nothing can be written. ", Color::kRed) + rest;
  }
  const bool is_well = up == voters && alarms.empty();
  return (is_well ? cli.Paint("Healthy: ", Color::kGreen)
                  : cli.Paint("Degraded: ", Color::kYellow)) +
         rest;
}

absl::Status Status(Invocation& cli, const Flags& flags) {
  v1::GetStatusRequest request;
  request.set_local_only(flags.local);
  ASSIGN_OR_RETURN(const v1::GetStatusResponse response, cli.Call(request));
  if (cli.is_json()) {
    cli.PrintJson(ToJson(response));
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  const bool is_terminal = isatty(STDOUT_FILENO) != 0;
  if (is_terminal) {
    rows.push_back({"NODE", "ROLE", "ADDRESS", "PID", "TERM", "COMMIT", "APPLIED", "LAG", "LOG",
                    "SESSIONS", "UP", "VERSION"});
  }
  for (const v1::NodeStatus& node : response.nodes()) {
    const std::string role = IsMember(node) ? ToJson(node)["role"].get<std::string>() : "no member";
    rows.push_back({absl::StrCat("n", node.node_id()), node.is_reachable() ? role : "down?",
                    OneLine(node.client_address(), 64), absl::StrCat(node.process_id()),
                    absl::StrCat(node.term()), absl::StrCat(node.commit_index()),
                    absl::StrCat(node.applied_index()), absl::StrCat(node.lag_entries()),
                    SizeText(node.log_bytes()), absl::StrCat(node.sessions()),
                    DurationText(absl::Milliseconds(node.uptime_ms())),
                    OneLine(node.version(), 16)});
  }
  cli.Print(Table(rows));
  if (is_terminal && !flags.local) cli.PrintLine(Verdict(cli, response));
  return absl::OkStatus();
}

absl::Status Add(Invocation& cli, const Flags& flags) {
  v1::AddNodeRequest request;
  request.set_node_id(flags.node_id);
  ASSIGN_OR_RETURN(*request.mutable_peer_address(),
                   client::NormalizeAddress(flags.peer_address, kDefaultPort + 100));
  ASSIGN_OR_RETURN(*request.mutable_client_address(),
                   client::NormalizeAddress(flags.client_address, kDefaultPort));
  ASSIGN_OR_RETURN(const v1::AddNodeResponse response, cli.Call(std::move(request)));
  cli.Report(
      response, response.revision(),
      absl::StrCat("n", flags.node_id, " learns; when it has caught up: coterie cluster promote ",
                   flags.node_id));
  return absl::OkStatus();
}

absl::Status Promote(Invocation& cli, const Flags& flags) {
  v1::PromoteNodeRequest request;
  request.set_node_id(flags.node_id);
  ASSIGN_OR_RETURN(const v1::PromoteNodeResponse response, cli.Call(request));
  cli.Report(response, response.revision(), absl::StrCat("n", flags.node_id, " votes now"));
  return absl::OkStatus();
}

absl::Status Remove(Invocation& cli, const Flags& flags) {
  RETURN_IF_ERROR(
      cli.Confirm(absl::StrCat("Remove n", flags.node_id, " from the cluster?"), flags.yes));
  v1::RemoveNodeRequest request;
  request.set_node_id(flags.node_id);
  ASSIGN_OR_RETURN(const v1::RemoveNodeResponse response, cli.Call(request));
  cli.Report(response, response.revision(), absl::StrCat("n", flags.node_id, " was removed"));
  return absl::OkStatus();
}

absl::Status Transfer(Invocation& cli, const Flags& flags) {
  v1::TransferLeadershipRequest request;
  request.set_node_id(flags.node_id);
  ASSIGN_OR_RETURN(const v1::TransferLeadershipResponse response, cli.Call(request));
  cli.Report(response, response.leader_id(), absl::StrCat("n", response.leader_id(), " leads"));
  return absl::OkStatus();
}

absl::Status Snapshot(Invocation& cli, const Flags&) {
  ASSIGN_OR_RETURN(const v1::TakeSnapshotResponse response, cli.Call(v1::TakeSnapshotRequest()));
  cli.Report(response, response.revision(), "the log is compacted up to here");
  return absl::OkStatus();
}

}  // namespace

void AddClusterCommands(CLI::App& app, Invocation& cli) {
  CLI::App* cluster = app.add_subcommand("cluster", "Look at and change the cluster itself");
  cluster->require_subcommand(1);
  auto status = std::make_shared<Flags>();
  CLI::App* command = AddCommand<Flags>(*cluster, cli, "status", "Every node at a glance",
                                        "  coterie cluster status\n"
                                        "  coterie cluster status --json | jq .leader_id",
                                        status, Status);
  command->add_flag("--local", status->local, "Only the answering node, as it sees itself");

  auto added = std::make_shared<Flags>();
  command = AddCommand<Flags>(*cluster, cli, "add", "Add a node, which learns and has no vote yet",
                              "  coterie cluster add 4 10.0.0.4:50153 10.0.0.4:50053", added, Add);
  command->add_option("ID", added->node_id, "A number that no node has had")->required();
  command->add_option("PEER_ADDRESS", added->peer_address, "Where nodes reach it")->required();
  command->add_option("CLIENT_ADDRESS", added->client_address, "Where clients do")->required();

  auto promoted = std::make_shared<Flags>();
  command = AddCommand<Flags>(*cluster, cli, "promote", "Give a node that has caught up its vote",
                              "", promoted, Promote);
  command->add_option("ID", promoted->node_id, "The node")->required();

  auto removed = std::make_shared<Flags>();
  command = AddCommand<Flags>(*cluster, cli, "remove", "Remove a node for good",
                              "  coterie cluster remove 3 --yes", removed, Remove);
  command->add_option("ID", removed->node_id, "The node")->required();
  command->add_flag("-y,--yes", removed->yes, "Do not ask");

  auto transfer = std::make_shared<Flags>();
  command = AddCommand<Flags>(*cluster, cli, "transfer", "Hand leadership over, without a gap", "",
                              transfer, Transfer);
  command->add_option("ID", transfer->node_id, "To this node; else to the best placed");

  AddCommand<Flags>(*cluster, cli, "snapshot", "Make the state durable and compact the log", "",
                    std::make_shared<Flags>(), Snapshot);
}

}  // namespace coterie::cli
