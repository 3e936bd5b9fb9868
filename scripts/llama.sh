#!/usr/bin/env bash
# Fetches llama.cpp's source and builds it for this machine into a cache outside the tree, once.
#   scripts/llama.sh          the prefix to give to CMake, on stdout; builds it if it is not there
#   scripts/llama.sh --find   the same, without network or building; exit 1 if it is not there
#   scripts/llama.sh --bench  the path of llama.cpp's own llama-bench, built the same way
# Exit 1 and one line on stderr if it cannot be had: Coterie is then built without its LLM server.
#
# Debian 12 has no llama.cpp. Its source comes from, in this order:
#   1. the source package of Debian's newer suites, by this machine's own mirror and keyring;
#   2. the npm package node-llama-cpp, which carries a release of llama.cpp as a git bundle in order
#      that people can build it. Version and digest are pinned below. Only if npm is here.
# The cache is ${XDG_CACHE_HOME:-~/.cache}/coterie; COTERIE_LLAMA_CACHE names another folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cache=${COTERIE_LLAMA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/coterie}
suites=(forky sid)
npm_package=node-llama-cpp@3.21.1
npm_sha512=13737412fd956b4c33c9dbd7605c0cf47bf2a34ecfa168edf13ffd18c738dc2b
npm_sha512+=edf18915fcd53fb5852010c0b582b4cfbf6a3d3d18d08b41b759be4ffdac2232
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
log=$cache/llama.log
fetch_seconds_max=180

# GGML_NATIVE: for this processor alone; so the cache's name says which. Without OpenMP, whose
# spinning threads hurt what shares the cores. g++ 12 miscompiles the AMX kernels.
no_amx="-mno-amx-tile -mno-amx-int8 -mno-amx-bf16"
options=(
  -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_POSITION_INDEPENDENT_CODE=ON
  -DBUILD_SHARED_LIBS=OFF -DGGML_NATIVE=ON -DGGML_CCACHE=OFF -DGGML_OPENMP=OFF
  -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF
  -DLLAMA_BUILD_APP=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_IS_DEV=OFF
)
# g++ leaves the kernel of several answers at once, whose sums do not fit in the registers, in an
# order that spills them; scheduled for that it is a sixth faster (docs/performance.md).
for_registers="-fschedule-insns -fsched-pressure --param=sched-pressure-algorithm=2"
c_flags=
[[ $(uname -m) == x86_64 ]] && c_flags=$no_amx
cxx_flags=$c_flags
c++ --version 2>/dev/null | grep -q 'Free Software Foundation' && cxx_flags+=" $for_registers"
options+=("-DCMAKE_C_FLAGS=$c_flags" "-DCMAKE_CXX_FLAGS=$cxx_flags")

say() { printf '%s\n' "$*" >&2; }

# What a build depends on beside the source: processor, compiler, options.
recipe_digest() {
  { grep -m1 -E '^(flags|Features)' /proc/cpuinfo || true
    c++ --version | head -1
    printf '%s\n' "${options[@]}"
  } | sha256sum | cut -c1-12
}

# The newest complete prefix of this recipe.
find_prefix() {
  local found
  found=$(find "$cache" -maxdepth 1 -name "llama.cpp-*-$digest" 2>/dev/null | sort -V | tail -1)
  [[ -n $found && -f $found/complete ]] && printf '%s\n' "$found"
}

# fetch_debian FOLDER: FOLDER/source and FOLDER/version from a suite's source package, with an apt
# state of our own. The machine's apt configuration is only read.
fetch_debian() {
  local folder=$1 mirror suite apt
  command -v dpkg-source >/dev/null && [[ -f $keyring ]] || return 1
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
    grep -v -- '-security' | sort -u | head -1)
  [[ -n $mirror ]] || return 1
  for suite in "${suites[@]}"; do
    apt=$folder/apt-$suite
    mkdir -p "$apt"/{lists/partial,cache/archives/partial,etc/preferences.d}
    printf 'deb-src [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$suite" >"$apt/sources.list"
    cat >"$apt/apt.conf" <<CONF
Dir::Etc::sourcelist "$apt/sources.list"; Dir::Etc::sourceparts "-";
Dir::Etc::preferences "/dev/null"; Dir::Etc::preferencesparts "/dev/null";
Dir::State::lists "$apt/lists"; Dir::Cache "$apt/cache";
APT::Sandbox::User "root"; Acquire::Languages "none"; Acquire::http::Timeout "20";
CONF
    (
      cd "$apt"
      export APT_CONFIG=$apt/apt.conf
      timeout "$fetch_seconds_max" apt-get update -qq &&
        timeout "$fetch_seconds_max" apt-get source -qq --download-only llama.cpp &&
        dpkg-source --no-check -x ./*.dsc ../source
    ) || continue
    sed -n 's/^Version: \([0-9]*:\)\?\([0-9.]*\).*/\2/p' "$apt"/*.dsc | head -1 >"$folder/version"
    return 0
  done
  return 1
}

# fetch_npm FOLDER: the same from the npm package.
fetch_npm() {
  local folder=$1 bundle=package/llama/gitRelease.bundle
  command -v npm >/dev/null && command -v git >/dev/null || return 1
  # Chained, because errexit does not hold in a function whose result is asked for.
  cd "$folder" &&
    timeout "$fetch_seconds_max" npm pack --silent --fetch-retries=0 "$npm_package" &&
    printf '%s  %s\n' "$npm_sha512" node-llama-cpp-*.tgz | sha512sum --check --quiet &&
    tar -xzf node-llama-cpp-*.tgz "$bundle" package/llama/llama.cpp.info.json &&
    git clone -q "$bundle" source &&
    sed -n 's/.*"tag": "v\?\([0-9.]*\)".*/\1/p' package/llama/llama.cpp.info.json >version &&
    rm -rf source/.git
}

# configure SOURCE BUILD PREFIX [OPTION...]
configure() {
  local source=$1 build=$2 prefix=$3
  shift 3
  cmake -G Ninja -S "$source" -B "$build" "${options[@]}" "-DCMAKE_INSTALL_PREFIX=$prefix" "$@"
}

# build FOLDER: installs FOLDER/source into the cache.
build() {
  local version prefix
  version=$(cat "$1/version")
  prefix=$cache/llama.cpp-$version-$digest
  say "Building llama.cpp $version for this machine (2 to 3 minutes on two cores, once)"
  rm -rf "$prefix"
  mkdir -p "$prefix"
  mv "$1/source" "$prefix/source"
  { configure "$prefix/source" "$prefix/build" "$prefix" -DLLAMA_BUILD_COMMON=OFF \
      -DLLAMA_BUILD_TOOLS=OFF &&
    nice cmake --build "$prefix/build" &&
    cmake --install "$prefix/build"; } >>"$log" 2>&1 || { rm -rf "$prefix"; return 1; }
  touch "$prefix/complete"  # The build tree stays, for llama-bench.
}

fetch_and_build() {
  local origin
  say "Fetching llama.cpp (once; log: $log)"
  for origin in debian npm; do
    mkdir "$1/$origin"
    (fetch_$origin "$1/$origin") >>"$log" 2>&1 && build "$1/$origin" && return
  done
  say "llama.cpp cannot be had here, from Debian or from npm: no LLM server. Log: $log"
  return 1
}

build_bench() {
  local prefix=$1
  configure "$prefix/source" "$prefix/build" "$prefix" -DLLAMA_BUILD_COMMON=ON \
    -DLLAMA_BUILD_TOOLS=ON &&
    nice cmake --build "$prefix/build" --target llama-bench &&
    install -D "$prefix/build/bin/llama-bench" "$prefix/bin/llama-bench"
}

main() {
  local prefix
  digest=$(recipe_digest)
  if [[ ${1:-} == --find ]]; then
    find_prefix
    return
  fi
  mkdir -p "$cache"
  exec 9>"$cache/lock"
  flock 9
  if ! prefix=$(find_prefix); then
    : >"$log"
    scratch=$(mktemp -d "$cache/fetch.XXXXXX")
    trap 'rm -rf "$scratch"' EXIT
    fetch_and_build "$scratch" || exit 1
    prefix=$(find_prefix)
  fi
  if [[ ${1:-} == --bench ]]; then
    [[ -x $prefix/bin/llama-bench ]] || build_bench "$prefix" >>"$log" 2>&1 ||
      { say "llama-bench does not build. Log: $log"; exit 1; }
    prefix=$prefix/bin/llama-bench
  fi
  printf '%s\n' "$prefix"
}

main "$@"
