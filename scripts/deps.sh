#!/usr/bin/env bash
# What the build and the tests need beyond the Go modules: installed as root, named otherwise.
set -euo pipefail

# command:package of Debian and Ubuntu
needed=(gcc:gcc git:git ip:iproute2 iptables:iptables make:make ps:procps setsid:util-linux softhsm2-util:softhsm2 spin:spin strace:strace)

missing=()
for pair in "${needed[@]}"; do
  command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
# tests/e2e answers prompts on a terminal.
python3 -c 'import pexpect' 2>/dev/null || missing+=(python3-pexpect)
# The race detector links the C library.
if command -v gcc >/dev/null && ! echo 'int main(void) { return 0; }' | gcc -include stdlib.h -x c -o /dev/null - 2>/dev/null; then
  missing+=(libc6-dev)
fi
case " ${missing[*]-} " in *' gcc '*) missing+=(libc6-dev) ;; esac

if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    printf 'deps: these packages are missing: %s\ndeps: install them, or run `make deps` as root on Debian or Ubuntu\n' "${missing[*]}" >&2
    exit 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

wanted=$(awk '$1 == "go" { print $2 }' go.mod)
if ! command -v go >/dev/null; then
  printf 'deps: Go is missing: install Go %s or later from https://go.dev/dl/\n' "$wanted" >&2
  exit 1
fi
# A Go from 1.21 on fetches the toolchain that go.mod asks for, unless it is told not to.
if ! found=$(go version 2>&1) || ! go list -m >/dev/null 2>&1; then
  printf 'deps: this Go does not build the module (%s): install Go %s or later from https://go.dev/dl/\n' "$found" "$wanted" >&2
  exit 1
fi
