#include "rpc/built_in.h"

namespace coterie::rpc {

const assist::Speller* BuiltIn::speller() const {
  absl::call_once(once_, [this] {
    dictionary_ = spell::Dictionary::Open(spell::Dictionary::kFolder, language_);
    if (dictionary_ == nullptr) return;
    speller_ = {.knows = [this](std::string_view word) { return dictionary_->Knows(word); },
                .suggest = [this](std::string_view word) { return dictionary_->Suggest(word); }};
  });
  return dictionary_ == nullptr ? nullptr : &speller_;
}

}  // namespace coterie::rpc
