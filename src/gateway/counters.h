#pragma once

// What the gateway counts. Any thread adds; metrics.cc shows.

#include "runtime/counters.h"

namespace coterie::gateway {

using runtime::Counter;
using runtime::Gauge;
using runtime::Histogram;

struct Counters {
  Gauge sockets_yjs;
  Gauge sockets_hocuspocus;
  Gauge rooms;
  Gauge members;
  Gauge large_messages;           // In memory.
  Counter large_messages_waited;  // For a place.
  Counter sockets_refused;
  Counter sockets_slow;
  Counter messages_received;
  Counter bytes_received;
  Counter messages_sent;
  Counter bytes_sent;
  Counter updates_received;
  Counter updates_refused;
  Counter drafts_saved;  // Updates that became part of one.
  Counter proposals;
  Counter proposals_repeated;
  Counter changes_published;  // Deliveries are of messages, with one change or more.
  Counter deliveries;
  Counter first_syncs;
  Counter awareness_answers;  // With all of a document's.
  Counter openings;           // Of documents on sockets, as they are begun.
  Counter gossip_sent;
  Counter gossip_received;
  Gauge http_body_bytes;  // Of large bodies that are being read.
  Counter http_requests;
  Counter http_errors;
  Histogram commit;  // From a proposal to its commit.
};

}  // namespace coterie::gateway
