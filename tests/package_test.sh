#!/usr/bin/env bash
# The Debian package: it is built, unpacked into a folder, and what lies there runs a cluster; its
# example configurations are understood. `package_test.sh BUILD_FOLDER SOURCE_FOLDER`.
set -euo pipefail
build=$1
source=$2

folder=$(mktemp -d)
export HOME=$folder COTERIE_PASSWORD=secret
stop() {
  "$folder/usr/bin/coterie" down --data "$folder/data" >/dev/null 2>&1 || true
  rm -rf "$folder"
}
trap stop EXIT

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

# refuses WHAT_IT_SAYS COMMAND...: it ends with an error that says so.
refuses() {
  local said
  if said=$("${@:2}" 2>&1); then fail "accepted: ${*:2}"; fi
  [[ $said == *"$1"* ]] || fail "not \"$1\" but \"$said\""
}

cpack --config "$build/CPackConfig.cmake" -B "$folder/package" >"$folder/cpack.log" 2>&1 ||
  fail "$(tail -20 "$folder/cpack.log")"
dpkg-deb -x "$folder"/package/*.deb "$folder"
bin=$folder/usr/bin

"$bin/coterie" up --detach --data "$folder/data" --grpc-port 57053 --http-port 0 \
  --models "$folder" >/dev/null 2>&1 || fail "no cluster comes up: $(tail -5 "$folder"/data/*.log)"
export COTERIE_NODES=127.0.0.1:57053
"$bin/coterie" login mia 2>/dev/null
"$bin/coterie" new notes 'hello' >/dev/null
[[ $("$bin/coterie" cat notes) == hello ]] || fail "the text is another one"
grep -q complete "$folder/usr/share/bash-completion/completions/coterie"

version=$(dpkg-deb -f "$folder"/package/*.deb Version)
for program in coterie coterie-node coterie-llm; do
  [[ -x $bin/$program ]] || continue
  [[ $("$bin/$program" --version) == "$program $version" ]] || fail "$program has another version"
done

# Every name in the examples is a flag, and what is wrong is what we made wrong.
refuses '--id: must be above 0' "$bin/coterie-node" --config "$source/packaging/node.toml" --id 0
if [[ -x $bin/coterie-llm ]]; then
  refuses 'no such file' "$bin/coterie-llm" --config "$source/packaging/llm.toml" \
    --model "$folder/none"
fi
printf 'id = 1\nidd = 2\n' >"$folder/wrong.toml"
refuses 'line 2: there is no flag --idd' "$bin/coterie-node" --config "$folder/wrong.toml"
printf 'id = 1\nfounder = [[1]]\n' >"$folder/wrong.toml"
refuses 'line 2: founder is no text' "$bin/coterie-node" --config "$folder/wrong.toml"
printf 'id = \n' >"$folder/wrong.toml"
refuses 'line 1: ' "$bin/coterie-node" --config "$folder/wrong.toml"

for unit in coterie-node coterie-llm; do
  file=$folder/usr/lib/systemd/system/$unit.service
  if [[ ! -f $file ]] || ! command -v systemd-analyze >/dev/null; then continue; fi
  # Its program is not where the unit says as long as the package is not installed.
  sed "s|/usr/bin/|$bin/|" "$file" >"$folder/$unit.service"
  said=$(systemd-analyze verify "$folder/$unit.service" 2>&1 | grep "$unit" || true)
  [[ -z $said ]] || fail "$said"
done
