#!/usr/bin/env bash
# Runs a command while a Docker engine answers: the one that does already, else one that is started here and ended
# afterwards. What is missing is installed as Debian's packages, by root; only CI has that done.
set -euo pipefail

say() { printf 'with-docker-engine.sh: %s\n' "$*" >&2; }

compose_is_there() { docker compose version || docker-compose version; } >/dev/null 2>&1

install() (
  say "installing docker.io and docker-compose"
  # No service of the packages' own: the engine below is enough, and ends.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends docker.io docker-compose >/dev/null
)

if ! command -v docker >/dev/null || ! compose_is_there; then install; fi
if docker version >/dev/null 2>&1; then exec "$@"; fi

log="$(mktemp)"
dockerd >"$log" 2>&1 &
engine=$!
last_words() {
  say "$1; its last words were"
  grep -m 1 -A 40 -E '^(panic|fatal error):' "$log" >&2 || tail -20 "$log" >&2
}
end() {
  if kill "$engine" 2>/dev/null; then wait "$engine" || true; else last_words "dockerd has ended by itself"; fi
  rm -f "$log"
}
trap end EXIT
for _ in $(seq 150); do
  if docker version >/dev/null 2>&1; then
    "$@"
    exit
  fi
  if ! kill -0 "$engine" 2>/dev/null; then exit 1; fi
  sleep 0.2
done
last_words "dockerd does not answer"
exit 1
