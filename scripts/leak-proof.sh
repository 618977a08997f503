#!/usr/bin/env bash
# A search that finds nothing proves nothing: on a build that seals and erases nothing, `make leak-test` must fail, and find
# keys in every place.
set -euo pipefail

report=$(mktemp)
trap 'rm -f "$report"' EXIT
if make leak-test SEALING=off >"$report" 2>&1; then
  cat "$report"
  echo "leak-proof: the leak test passes on a build that seals nothing" >&2
  exit 1
fi
places=26
if [ "$(grep -c ' bytes searched .* found [1-9]' "$report")" -ne "$places" ] || grep -q ' bytes searched .* found 0$' "$report"; then
  cat "$report"
  echo "leak-proof: nothing is sealed, and not every one of $places places shows a key" >&2
  exit 1
fi
grep ' bytes searched ' "$report"
echo "leak-proof: on a build that seals nothing the leak test fails, in each of these $places places"
