#pragma once

// The fixture of the machine's tests: a machine on a simulated Kv, and the verbs of its callers.
// Every command goes through its encoding, as in a cluster, and after each one the invariants are
// checked. For tests only.

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "state/machine.h"
#include "state/memory_kv.h"

namespace coterie::state {

class MachineTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kLifetimeMs = 1'000'000;

  ApplyResult ApplyCommandOf(SessionId session, CommandBody body, RequestId request = {}) {
    const Command command{.session = session, .request = request, .body = std::move(body)};
    payloads_.push_back(StampCommand({.time_ms = ++time_ms_}, EncodeCommand(command)));
    ApplyResult result =
        machine_->ApplyCommand(Term(1), machine_->applied().index.Next(), payloads_.back());
    machine_->Commit();
    machine_->CheckInvariants();
    return result;
  }
  Outcome Do(SessionId session, CommandBody body, RequestId request = {}) {
    return *ApplyCommandOf(session, std::move(body), request).outcome;
  }
  // Expects success.
  Outcome Ok(SessionId session, CommandBody body) {
    const Outcome outcome = Do(session, std::move(body));
    EXPECT_TRUE(outcome.ok()) << outcome.message;
    return outcome;
  }
  Code CodeOf(SessionId session, CommandBody body) {
    const Outcome outcome = Do(session, std::move(body));
    EXPECT_TRUE(outcome.ok() || !outcome.message.empty());  // A refusal says why.
    return outcome.code;
  }
  // The events of a command that succeeds.
  std::vector<Event> EventsOf(SessionId session, CommandBody body) {
    const ApplyResult result = ApplyCommandOf(session, std::move(body));
    EXPECT_TRUE(result.outcome->ok()) << result.outcome->message;
    if (!result.events) return {};
    EXPECT_EQ(result.events->revision, machine_->applied().index);
    return result.events->events;
  }
  static Login LoginOf(const std::string& user) {
    return {.user = user,
            .verified_hash = "hash",
            .token_hash = std::string(32, 't'),
            .lifetime_ms = kLifetimeMs};
  }
  SessionId LoginAs(const std::string& user, bool is_admin = false) {
    Login login = LoginOf(user);
    login.create_user = true;
    login.create_as_admin = is_admin;
    return Ok({}, std::move(login)).session;
  }
  std::string TextOf(DocId doc) {
    return machine_->TextAt(doc, Revision()).value_or("no such document");
  }
  // What a node does that starts again.
  void Restart(Machine::Options options = {}) {
    machine_.reset();
    machine_ = std::make_unique<Machine>(kv_, options);
    machine_->CheckInvariantsDeep();
  }

  MemoryKv kv_;
  std::unique_ptr<Machine> machine_ = std::make_unique<Machine>(kv_, Machine::Options());
  std::vector<std::string> payloads_;
  std::uint64_t time_ms_ = 1'700'000'000'000;
};

}  // namespace coterie::state
