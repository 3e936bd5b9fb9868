#pragma once

// One document and all who have it open, as the load program keeps books on it: who typed what and
// when, and who has seen how much of it. Delivered is an update to every other editor of the room,
// once; merged updates count as what is in them. One thread.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/realtime/editor.h"
#include "crdt/id.h"
#include "crdt/update_view.h"

namespace coterie::bench {

std::uint64_t NowNanoseconds();

class Room {
 public:
  struct Delivery {
    std::uint64_t sent_ns = 0;
    std::size_t writer = 0;  // The number of its editor in the room.
    std::size_t reader = 0;
    crdt::Clock clock = 0;
  };
  using OnDelivery = std::function<void(Room& room, const Delivery& delivery)>;

  // The editors' Yjs clients are numbered from `first_client` on.
  Room(std::string name, std::uint64_t first_client, OnDelivery on_delivery)
      : name_(std::move(name)), first_client_(first_client), on_delivery_(std::move(on_delivery)) {}
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;

  void Add(Epoll& epoll, const Editor::Options& options);
  // The editor `writer` types a letter, which was due at `due_ns`.
  void Type(std::size_t writer, std::uint64_t due_ns);

  const std::string& name() const { return name_; }
  std::vector<std::unique_ptr<Editor>>& editors() { return editors_; }
  // How many letters of the writer at least one other has seen, or that there must be.
  crdt::Clock seen(std::size_t writer) const { return seen_[writer]; }
  std::uint64_t first_client() const { return first_client_; }
  // What an editor has in all, as the number of the first clock that it lacks.
  crdt::Clock has(std::size_t reader, std::size_t writer) const { return has_[reader][writer]; }

 private:
  void OnUpdate(std::size_t reader, std::string_view update);
  void Learn(std::size_t reader, std::size_t writer, const crdt::UpdateView::Group& group);

  const std::string name_;
  const std::uint64_t first_client_;
  const OnDelivery on_delivery_;
  std::vector<std::unique_ptr<Editor>> editors_;
  std::vector<std::vector<std::uint64_t>> sent_ns_;  // By writer and clock.
  std::vector<std::vector<crdt::Clock>> has_;        // By reader and writer.
  std::vector<crdt::Clock> seen_;                    // By writer.
  // What came last: mostly the next editor gets the same.
  std::string last_update_;
  std::vector<crdt::UpdateView::Group> last_groups_;
};

}  // namespace coterie::bench
