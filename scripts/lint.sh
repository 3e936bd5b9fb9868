#!/usr/bin/env bash
# Formatting, clang-tidy, layers and house rules. Called by `./dev lint`, which installs the tools.
#   scripts/lint.sh             clang-tidy on what differs from the upstream or last commit
#   scripts/lint.sh --all       clang-tidy on everything in src/ (about 4 s a file)
#   scripts/lint.sh FILE...     only these
#   scripts/lint.sh --fast      no clang-tidy
# BUILD=folder names a configured build tree to take compile_commands.json from.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

format=clang-format-14
tidy=clang-tidy-14
failed=0

complain() {
  printf 'lint: %s\n' "$*" >&2
  failed=1
}

# Prints the C++ files that differ from what is published, or from the last commit if nothing is.
changed_files() {
  local base
  base=$(git merge-base HEAD '@{upstream}' 2>/dev/null) || base=HEAD~1
  { git diff --name-only --diff-filter=d "$base" && git ls-files -o --exclude-standard; } | sort -u
}

# The folder of a compilation database, made if there is none.
compilation_database() {
  local folder
  for folder in "${BUILD:-}" build/debug build/release; do
    [[ -n $folder && -f $folder/compile_commands.json ]] && { printf '%s' "$folder"; return; }
  done
  mkdir -p build/logs
  cmake --preset debug >build/logs/lint-cmake.log 2>&1 || return 1
  printf 'build/debug'
}

# check_format FILE...: says which lines clang-format would change.
check_format() {
  (($# == 0)) && return
  "$format" --dry-run --Werror "$@" || complain "format with: $format -i FILE"
}

# check_tidy FILE...: clang-tidy, one process a core. Generated headers must exist: they are built.
check_tidy() {
  (($# == 0)) && return
  local folder
  if ! folder=$(compilation_database); then
    complain "cmake failed: build/logs/lint-cmake.log"
    return
  fi
  cmake --build "$folder" --target coterie_proto >/dev/null || complain "the protos do not compile"
  printf '%s\n' "$@" |
    xargs -P "$(nproc)" -n 1 "$tidy" -p "$folder" --quiet --extra-arg=-Wno-unknown-warning-option \
      2> >(grep -vE '^[0-9]+ warnings? (generated|treated)' >&2) ||
    complain "clang-tidy found something"
}

main() {
  local all=() tidied=() with_tidy=1
  case "${1:-}" in
    --all) mapfile -t all < <(git ls-files) ;;
    --fast) with_tidy=0; mapfile -t all < <(git ls-files) ;;
    '') mapfile -t all < <(changed_files) ;;
    *) all=("$@") ;;
  esac

  local cpp=() file
  for file in "${all[@]}"; do
    [[ $file =~ \.(h|cc)$ ]] && cpp+=("$file")
    [[ $file =~ ^src/.*\.cc$ && ! $file =~ _test\.cc$ ]] && tidied+=("$file")
  done
  check_format "${cpp[@]}"
  ((with_tidy == 0)) || check_tidy "${tidied[@]}"
  scripts/layers.py || complain "layers: see LAYERS"
  scripts/tidy.py || complain "house rules"
  exit "$failed"
}

main "$@"
