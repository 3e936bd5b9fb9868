#include "gateway/metrics.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>

#include "gateway/process_figures.h"
#include "node/alarms.h"
#include "runtime/version.h"

namespace coterie::gateway {
namespace {

// How many entries a node may be behind its own commit index and still be called ready.
constexpr std::uint64_t kLagEntriesMax = 1'000;

class Page {
 public:
  void Family(const std::string& name, const std::string& type, const std::string& meaning) {
    absl::StrAppend(&text_, "# HELP ", name, " ", meaning, "\n# TYPE ", name, " ", type, "\n");
  }
  template <class Value>
  void Sample(const std::string& name, const std::string& labels, Value value) {
    absl::StrAppend(&text_, name, labels, " ", value, "\n");
  }
  template <class Value>
  void Gauge(const std::string& name, const std::string& meaning, Value value) {
    Family(name, "gauge", meaning);
    Sample(name, "", value);
  }
  void Count(const std::string& name, const std::string& meaning, const Counter& counter) {
    Family(name, "counter", meaning);
    Sample(name, "", counter.Get());
  }
  void Times(const std::string& name, const std::string& meaning, const Histogram& histogram) {
    Family(name, "histogram", meaning);
    Buckets(name, "", histogram);
  }
  // `labels`: what comes before a bucket's own, as `method="a"`.
  void Buckets(const std::string& name, const std::string& labels, const Histogram& histogram) {
    std::uint64_t count = 0;
    const std::string comma = labels.empty() ? "" : labels + ",";
    const std::string alone = labels.empty() ? "" : "{" + labels + "}";
    for (std::size_t i = 0; i < histogram.buckets.size(); ++i) {
      count += histogram.buckets[i].Get();
      const bool is_last = i == Histogram::kBoundsSeconds.size();
      const std::string bound =
          is_last ? std::string("+Inf") : absl::StrCat(Histogram::kBoundsSeconds.at(i));
      Sample(absl::StrCat(name, "_bucket"), absl::StrCat("{", comma, "le=\"", bound, "\"}"), count);
    }
    Sample(absl::StrCat(name, "_sum"), alone,
           static_cast<double>(histogram.sum_us.Get()) / 1'000'000.0);
    Sample(absl::StrCat(name, "_count"), alone, count);
  }
  // Of a value that only grows.
  template <class Value>
  void Total(const std::string& name, const std::string& meaning, Value value) {
    Family(name, "counter", meaning);
    Sample(name, "", value);
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

void AddNode(const node::Status& status, Page& page) {
  page.Family("coterie_node_info", "gauge",
              "1; which node of which cluster this is, and its program.");
  page.Sample("coterie_node_info",
              absl::StrCat("{node=\"", status.id.value(), "\",cluster=\"", status.cluster_id,
                           "\",version=\"", runtime::kProgramVersion, "\"}"),
              1);
  page.Gauge("coterie_raft_term", "Current Raft term.", status.term.value());
  page.Gauge("coterie_raft_is_leader", "1 if this node leads.",
             status.role == raft::Role::kLeader ? 1 : 0);
  page.Gauge("coterie_raft_has_leader", "1 if this node knows a leader.",
             status.leader.IsNone() ? 0 : 1);
  page.Gauge("coterie_raft_commit_index", "Index of the last committed log entry.",
             status.commit.value());
  page.Gauge("coterie_raft_applied_index", "Index of the last applied log entry.",
             status.applied.value());
  page.Gauge("coterie_raft_last_index", "Index of the last entry of the log.", status.last.value());
  page.Gauge("coterie_log_size_bytes", "Size of the write-ahead log.", status.log_bytes);
  page.Gauge("coterie_store_size_bytes", "Size of the stored state.", status.store_bytes);
  page.Gauge("coterie_sessions", "Sessions that exist.", status.sessions);
  page.Gauge("coterie_uptime_seconds", "Time since the node started.",
             static_cast<double>(status.uptime_ms) / 1'000.0);
  page.Family("coterie_alarm", "gauge", "1 for every alarm that is raised.");
  for (const std::string alarm : {"NOSPACE", "DIVERGED", "REPAIRING", "OUTDATED", "OUTDATED_MEMBER",
                                  "SLOW_DISK", "NOT_MEMBER", "OTHER_DISK"}) {
    const bool is_raised =
        std::find(status.alarms.begin(), status.alarms.end(), alarm) != status.alarms.end();
    page.Sample("coterie_alarm", absl::StrCat("{alarm=\"", alarm, "\"}"), is_raised ? 1 : 0);
  }
  if (status.peers.empty()) return;
  page.Family("coterie_raft_peer_lag_entries", "gauge",
              "Entries that a peer is behind; told by the leader alone.");
  for (const node::Status::Peer& peer : status.peers) {
    const std::uint64_t lag =
        status.last > peer.match ? status.last.value() - peer.match.value() : 0;
    page.Sample("coterie_raft_peer_lag_entries", absl::StrCat("{peer=\"", peer.id.value(), "\"}"),
                lag);
  }
}

void AddRaft(const node::Counters& counters, Page& page) {
  page.Count("coterie_raft_leader_changes_total",
             "Changes of the leader that this node knows, to another one or to none.",
             counters.leader_changes);
  page.Count("coterie_raft_elections_won_total", "Elections that made this node the leader.",
             counters.elections_won);
  page.Count("coterie_raft_snapshots_taken_total", "Snapshots taken of the state.",
             counters.snapshots_taken);
  page.Count("coterie_raft_snapshots_sent_total", "Snapshots sent to followers.",
             counters.snapshots_sent);
  page.Count("coterie_raft_snapshots_installed_total", "Snapshots put in place of the state.",
             counters.snapshots_installed);
  page.Count(
      "coterie_peer_frames_dropped_total",
      "Messages of other nodes that were malformed, of another cluster or of a newer program.",
      counters.frames_dropped);
  page.Times("coterie_log_append_seconds", "Until a batch of log entries was durable.",
             counters.log_append);
}

// Methods that nobody has called are left out: they are many.
void AddCalls(const rpc::CallTimes& times, Page& page) {
  constexpr std::string_view kPackage = "coterie.v1.";
  const auto label = [&](std::string_view method) {
    return "method=\"" + std::string(method.substr(kPackage.size())) + "\"";
  };
  const auto is_used = [](const auto& method) {
    return std::any_of(method.seconds.buckets.begin(), method.seconds.buckets.end(),
                       [](const Counter& bucket) { return bucket.Get() > 0; });
  };
  page.Family("coterie_rpc_seconds", "histogram", "Unary calls, until they were answered.");
  for (const auto& [name, method] : times.methods()) {
    if (is_used(*method)) page.Buckets("coterie_rpc_seconds", label(name), method->seconds);
  }
  page.Family("coterie_rpc_errors_total", "counter", "Unary calls answered with an error.");
  for (const auto& [name, method] : times.methods()) {
    if (!is_used(*method)) continue;
    page.Sample("coterie_rpc_errors_total", "{" + label(name) + "}", method->errors.Get());
  }
}

void AddGateway(const Counters& counters, Page& page) {
  page.Family("coterie_gateway_sockets", "gauge", "Open WebSockets.");
  page.Sample("coterie_gateway_sockets", "{protocol=\"y-websocket\"}", counters.sockets_yjs.Get());
  page.Sample("coterie_gateway_sockets", "{protocol=\"hocuspocus\"}",
              counters.sockets_hocuspocus.Get());
  page.Gauge("coterie_gateway_rooms", "Documents that are open here.", counters.rooms.Get());
  page.Gauge("coterie_gateway_members", "Openings of documents by sockets.",
             counters.members.Get());
  page.Gauge("coterie_gateway_large_messages", "Large messages in memory.",
             counters.large_messages.Get());
  page.Count("coterie_gateway_large_messages_waited_total", "Large messages that had to wait.",
             counters.large_messages_waited);
  page.Count("coterie_gateway_connections_refused_total", "Connections beyond a limit.",
             counters.sockets_refused);
  page.Count("coterie_gateway_sockets_slow_total", "Sockets that were too slow and cut off.",
             counters.sockets_slow);
  page.Count("coterie_gateway_received_messages_total", "WebSocket messages received.",
             counters.messages_received);
  page.Count("coterie_gateway_received_bytes_total", "Bytes of WebSocket messages received.",
             counters.bytes_received);
  page.Count("coterie_gateway_sent_messages_total", "WebSocket messages sent.",
             counters.messages_sent);
  page.Count("coterie_gateway_sent_bytes_total", "Bytes of WebSocket messages sent.",
             counters.bytes_sent);
  page.Count("coterie_gateway_updates_total", "Yjs updates received.", counters.updates_received);
  page.Count("coterie_gateway_updates_refused_total", "Yjs updates refused.",
             counters.updates_refused);
  page.Count("coterie_gateway_updates_kept_total", "Yjs updates kept as drafts.",
             counters.drafts_saved);
  page.Count("coterie_gateway_proposals_total", "Proposals of merged updates.", counters.proposals);
  page.Count("coterie_gateway_proposals_repeated_total", "Proposals repeated for want of answer.",
             counters.proposals_repeated);
  page.Count("coterie_gateway_changes_published_total",
             "Changes that rooms have sent their members, several as one when the node is busy.",
             counters.changes_published);
  page.Count("coterie_gateway_deliveries_total", "Messages published, times their receivers.",
             counters.deliveries);
  page.Count("coterie_gateway_syncs_total", "Answers to state vectors.", counters.first_syncs);
  page.Count("coterie_gateway_awareness_answers_total",
             "Times that a member was sent all awareness of a document.",
             counters.awareness_answers);
  page.Count("coterie_gateway_openings_total", "Attempts of sockets to open a document.",
             counters.openings);
  page.Count("coterie_gateway_gossip_sent_total", "Awareness messages to other nodes.",
             counters.gossip_sent);
  page.Count("coterie_gateway_gossip_received_total", "Awareness messages from other nodes.",
             counters.gossip_received);
  page.Times("coterie_gateway_commit_seconds", "From a proposal to its commit.", counters.commit);
  page.Gauge("coterie_http_body_bytes", "Bytes set aside for large requests that are being read.",
             counters.http_body_bytes.Get());
  page.Count("coterie_http_requests_total", "HTTP requests.", counters.http_requests);
  page.Count("coterie_http_errors_total", "HTTP requests answered with 400 or above.",
             counters.http_errors);
}

// Under the names that Prometheus' own libraries give them.
void AddProcess(const ProcessFigures& figures, Page& page) {
  page.Total("process_cpu_seconds_total", "Processor time that this process has taken.",
             figures.cpu_seconds);
  page.Gauge("process_resident_memory_bytes", "Memory that this process has in use.",
             figures.resident_bytes);
  page.Gauge("process_virtual_memory_bytes", "Addresses that this process has taken.",
             figures.virtual_bytes);
  page.Gauge("process_open_fds", "Files and sockets that this process has open.",
             figures.open_files);
  page.Gauge("process_max_fds", "Files and sockets that it may have open.", figures.open_files_max);
  page.Gauge("process_threads", "Threads of this process.", figures.threads);
  page.Gauge("process_start_time_seconds", "When this process started, since the epoch.",
             absl::StrFormat("%.2f", figures.start_time_seconds));
}

}  // namespace

std::string MetricsText(const node::Node& node, const rpc::CallTimes& times,
                        const Counters& counters) {
  Page page;
  AddNode(node.status(), page);
  AddRaft(node.counters(), page);
  AddCalls(times, page);
  AddGateway(counters, page);
  AddProcess(ReadProcessFigures(), page);
  return page.Take();
}

Readiness ReadinessOf(const node::Status& status, Stopping stopping) {
  const auto has = [&](const std::string& alarm) {
    return std::find(status.alarms.begin(), status.alarms.end(), alarm) != status.alarms.end();
  };
  const bool is_behind = status.commit.value() > status.applied.value() + kLagEntriesMax;
  const std::pair<std::string, bool> checks[] = {
      {"running", stopping == Stopping::kNo},
      {"leader", !status.leader.IsNone()},
      {"applied", !is_behind},
      {"state", !has("DIVERGED")},
      {"member", !has("NOT_MEMBER") && !has("OTHER_DISK")},
  };
  Readiness readiness{.is_ready = true, .text = {}};
  for (const auto& [name, is_ok] : checks) {
    readiness.is_ready = readiness.is_ready && is_ok;
    absl::StrAppend(&readiness.text, is_ok ? "[+]" : "[-]", name, is_ok ? " ok\n" : " failed\n");
  }
  for (const std::string& alarm : status.alarms) {
    const std::string what = node::WhatToDo(alarm);
    absl::StrAppend(&readiness.text, alarm, what.starts_with(' ') ? ": this node" : "", what, "\n");
  }
  return readiness;
}

}  // namespace coterie::gateway
