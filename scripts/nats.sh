#!/usr/bin/env bash
# Runs a local nats-server with JetStream in the foreground; its data is in .cache/nats.
set -euo pipefail
cd "$(dirname "$0")/.."

# A second server would open the first one's store before it finds the port taken.
if (exec 3<>/dev/tcp/127.0.0.1/4222) 2>/dev/null; then
  echo "nats.sh: something listens on 127.0.0.1:4222 already; use that, or stop it first" >&2
  exit 1
fi
server="$(scripts/nats-server.sh)"
mkdir -p .cache/nats
exec "$server" -js -a 127.0.0.1 -sd .cache/nats
