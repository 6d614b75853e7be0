#!/usr/bin/env bash
# Fails with a clear word where Node.js is missing or too old to build and test docktor.
# The package itself runs on Node 20.0; the build and test tools need 20.19.
set -euo pipefail

complain() {
  printf '%s\n' "docktor needs Node.js 20.19 or newer, with npm, to build and test; $1." >&2
  printf '%s\n' "Install it (your package manager, or its web site), then run the same command again." >&2
  exit 1
}

command -v node >/dev/null || complain "there is no node on the PATH"
command -v npm >/dev/null || complain "there is no npm on the PATH"
node -e '
  const [major, minor] = process.versions.node.split(".").map(Number);
  process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1);
' || complain "this is $(node --version)"
