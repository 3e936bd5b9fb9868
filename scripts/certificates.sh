#!/usr/bin/env bash
# Makes an authority and the certificates that it signs, for a cluster's nodes. For who has no
# authority of their own; where there is one, use that.
#
#   scripts/certificates.sh FOLDER NAME...    NAME: how a node is reached, by host name or address
#
# FOLDER gets ca.pem and ca.key, once, and NAME.pem and NAME.key for each name: valid for two years,
# for being a server and a client, and for localhost. The keys are the owner's alone to read. Keep
# ca.key away from the nodes: whoever has it can make nodes.
set -euo pipefail

(($# >= 2)) || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
folder=$1
shift
umask 077
mkdir -p "$folder"
if [[ ! -e $folder/ca.pem ]]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
    -subj "/CN=Coterie authority" -addext "basicConstraints=critical,CA:TRUE" \
    -addext "keyUsage=critical,keyCertSign,cRLSign" \
    -keyout "$folder/ca.key" -out "$folder/ca.pem" 2>/dev/null
fi
for name in "$@"; do
  kind=DNS
  [[ $name =~ ^[0-9.]+$ || $name == *:* ]] && kind=IP
  extensions=$(mktemp)
  printf '%s\n' "subjectAltName=$kind:$name,DNS:localhost,IP:127.0.0.1" \
    "basicConstraints=critical,CA:FALSE" "extendedKeyUsage=serverAuth,clientAuth" >"$extensions"
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" \
    -keyout "$folder/$name.key" 2>/dev/null |
    openssl x509 -req -days 730 -CA "$folder/ca.pem" -CAkey "$folder/ca.key" -CAcreateserial \
      -extfile "$extensions" -out "$folder/$name.pem" 2>/dev/null
  rm -f "$extensions"
done
