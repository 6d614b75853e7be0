#!/usr/bin/env bash
# Runs a command while a Docker engine answers: the one that does already, else one that is started here and ended
# afterwards. Installs Debian's package when there is none; only CI has that done, as root.
set -euo pipefail

say() { printf 'with-docker-engine.sh: %s\n' "$*" >&2; }

if docker version >/dev/null 2>&1; then exec "$@"; fi

if ! command -v dockerd >/dev/null; then
  say "installing docker.io and docker-compose"
  # No service of the package's own: the engine below is enough, and ends.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends docker.io docker-compose >/dev/null
fi

log="$(mktemp)"
dockerd >"$log" 2>&1 &
engine=$!
end() {
  kill "$engine" 2>/dev/null && wait "$engine" || true
  rm -f "$log" "${policy:-/nonexistent}"
}
trap end EXIT
for _ in $(seq 100); do
  if docker version >/dev/null 2>&1; then break; fi
  if ! kill -0 "$engine" 2>/dev/null; then
    say "dockerd ended:"
    tail -20 "$log" >&2
    exit 1
  fi
  sleep 0.2
done
"$@"
