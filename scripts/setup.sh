#!/usr/bin/env bash
# Installs the npm packages where package-lock.json is newer than what was installed last.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/check-node.sh
# npm writes the first of these files last, whoever calls it; without development dependencies there is no second.
if [ node_modules/.package-lock.json -nt package-lock.json ] && [ -e node_modules/.bin/tsc ]; then exit 0; fi
echo "setup.sh: running npm ci"
npm ci --no-audit --no-fund
