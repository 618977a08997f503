#!/usr/bin/env bash
# Runs every fuzz test of the tree for a while each: fuzz.sh [DURATION]
set -euo pipefail
duration=${1:-10s}
go list -tags hashicorpmetrics -f '{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}}{{end}}' ./... | while read -r folder; do
  # Fuzz tests are found by their declaration, so that packages without any are not compiled for it.
  { grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$folder"/*_test.go || true; } | sed 's/^func //' | sort -u | while read -r name; do
    printf '%s %s\n' "${folder#"$PWD"/}" "$name"
    go test -tags hashicorpmetrics -run '^$' -fuzz "^$name\$" -fuzztime "$duration" "$folder" </dev/null
  done
done
