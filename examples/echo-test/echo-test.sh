#!/bin/sh
# Echo test: proves the way up and back. Reads the uplinked file (/data/uplink.txt, or the first argument)
# and leaves /data/downlink.txt: its size and SHA-256, a line, then its bytes as they arrived.
set -eu
in=${1:-/data/uplink.txt}
out=/data/downlink.txt

bytes=$(wc -c < "$in" | tr -d ' ')
sum=$(sha256sum "$in" | cut -d ' ' -f 1)

{
  echo "echo-test"
  echo "bytes $bytes"
  echo "sha256 $sum"
  echo "--"
  cat "$in"
} > "$out.part"
# whoever looks sees the whole file or none
mv "$out.part" "$out"
echo "echoed $bytes bytes, sha256 $sum"
