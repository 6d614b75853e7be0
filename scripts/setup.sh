#!/usr/bin/env bash
# Installs the npm packages where package-lock.json is newer than what was installed last.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/check-node.sh
# npm writes this file last, whoever calls it.
if [ node_modules/.package-lock.json -nt package-lock.json ]; then exit 0; fi
echo "setup.sh: running npm ci"
npm ci --no-audit --no-fund
