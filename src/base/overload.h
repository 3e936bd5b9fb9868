#pragma once

// Builds one visitor out of lambdas, for std::visit over a closed set of alternatives.

namespace coterie {

template <class... Lambdas>
struct Overload : Lambdas... {
  using Lambdas::operator()...;
};
template <class... Lambdas>
Overload(Lambdas...) -> Overload<Lambdas...>;

}  // namespace coterie
