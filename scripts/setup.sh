#!/usr/bin/env bash
# Installs the npm packages where package-lock.json is not what was installed last.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly stamp=node_modules/.docktor-installed-lock

scripts/check-node.sh
if cmp -s package-lock.json "$stamp"; then exit 0; fi
echo "setup.sh: running npm ci"
npm ci --no-audit --no-fund
cp package-lock.json "$stamp"
