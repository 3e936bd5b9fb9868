#!/bin/sh
# Coterie's API with curl alone: log in, create a document, append to it, read it, and see what
# happens, as it happens. All calls are POSTs of JSON (the Connect protocol).
#
#   ./coterie.sh create notes 'hello'
#   ./coterie.sh append notes ', world'
#   ./coterie.sh read notes
#   ./coterie.sh watch
#
# COTERIE_URL is a node's HTTP address, COTERIE_USER who you are, COTERIE_PASSWORD your password.
set -eu
url=${COTERIE_URL:-http://127.0.0.1:8080}
user=${COTERIE_USER:-guest}

# A text as a JSON string.
quote() {
  printf '"%s"' "$(printf '%s' "$1" |
    sed -e ':a' -e '$!{N;ba' -e '}' \
      -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/	/\\t/g' -e 's/\n/\\n/g')"
}

# call SERVICE/METHOD JSON: prints the answer. An error's JSON goes to stderr.
call() {
  answer=$(curl -sS "$url/coterie.v1.$1" -H 'content-type: application/json' \
    -H "authorization: Bearer ${token:-}" -d "$2" -w '\n%{http_code}')
  if [ "${answer##*
}" = 200 ]; then
    printf '%s\n' "${answer%
*}"
  else
    printf '%s\n' "${answer%
*}" >&2
    return 1
  fi
}

# The string FIELD of a flat JSON object.
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }

# A stream's messages are envelopes: a byte of flags, four of length, then JSON.
messages() {
  while head=$(dd bs=1 count=5 2>/dev/null | od -An -tu1) && [ -n "$head" ]; do
    # shellcheck disable=SC2086
    set -- $head
    size=$((($2 << 24) | ($3 << 16) | ($4 << 8) | $5))
    dd bs=1 count="$size" 2>/dev/null
    echo
    [ "$1" = 0 ] || return 0
  done
}

watch() {
  request='{"fromNow":true}'
  printf "\\000\\000\\000\\000\\$(printf '%03o' ${#request})%s" "$request" |
    curl -sSN "$url/coterie.v1.EventService/Subscribe" --data-binary @- \
      -H 'content-type: application/connect+json' -H "authorization: Bearer $token" | messages
}

# A pipe's end would hide that the login failed.
login=$(call AuthService/Login \
  "{\"user\":$(quote "$user"),\"password\":$(quote "${COTERIE_PASSWORD:-}")}") || exit 1
token=$(printf '%s' "$login" | field token)
document=$(quote "${2:-notes}")
case "${1:-}" in
  create) call DocumentService/CreateDocument "{\"name\":$document,\"text\":$(quote "${3:-}")}" ;;
  append) call DocumentService/AppendDocument \
    "{\"document\":{\"name\":$document},\"text\":$(quote "${3:-}")}" ;;
  read) call DocumentService/GetDocument "{\"document\":{\"name\":$document}}" ;;
  list) call DocumentService/ListDocuments '{}' ;;
  watch) watch ;;
  *)
    sed -n '2,10s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
