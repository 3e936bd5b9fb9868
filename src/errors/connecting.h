#pragma once

// Why gRPC could not connect, in its own words. Pure, any thread.

#include <string>

namespace coterie::errors {

// What follows the last error's code and address in the message of a call that did not wait for
// the connection: "Connection refused" of "failed to connect to all addresses; last error: UNKNOWN:
// ipv4:127.0.0.1:1: Connection refused". Empty if it says nothing of the kind.
std::string LastErrorIn(const std::string& message);

}  // namespace coterie::errors
