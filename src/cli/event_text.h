#pragma once

// Events as a person reads them. Remembers the names of documents that have gone by, because an
// event carries only the id. One owner.

#include <cstdint>
#include <map>
#include <string>

#include "coterie/v1/documents.pb.h"
#include "coterie/v1/events.pb.h"

namespace coterie::cli {

class EventText {
 public:
  void Remember(std::uint64_t document_id, const std::string& name);
  // One line, without control bytes; never empty.
  std::string Line(const v1::Event& event);

 private:
  std::string Name(std::uint64_t document_id) const;
  std::string Changed(const v1::DocumentChanged& changed) const;
  template <class Body>
  std::string Draft(const Body& body) const;

  std::map<std::uint64_t, std::string> names_;
};

}  // namespace coterie::cli
