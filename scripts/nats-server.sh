#!/usr/bin/env bash
# Prints the path of a nats-server to use: $NATS_SERVER, else one that is installed,
# else one that this script gets from the system's package manager.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly private_copy="$PWD/.cache/nats-server"

say() { printf 'nats-server.sh: %s\n' "$*" >&2; }

give_up() {
  say "$1"
  say "Install nats-server 2.9.10 or newer yourself and run this again:"
  say "  Debian, Ubuntu:  sudo apt-get install nats-server"
  say "  macOS:           brew install nats-server"
  say "  anything else:   put a nats-server on the PATH, or set NATS_SERVER=/path/to/nats-server"
  exit 1
}

get_with_apt() {
  # shellcheck source=scripts/private-apt.sh
  . scripts/private-apt.sh
  open_private_apt
  say "no nats-server found; unpacking the system's package into .cache (nothing is installed)"
  if ! unpack_nats_server nats-server "$private_copy"; then
    give_up "apt could not get it: $(apt_complaint)"
  fi
}

get_with_homebrew() {
  say "no nats-server found; running: brew install nats-server"
  brew install nats-server >&2 || give_up "Homebrew could not install it; see above"
}

if [ -n "${NATS_SERVER:-}" ]; then
  if [ ! -f "$NATS_SERVER" ] || [ ! -x "$NATS_SERVER" ]; then
    say "NATS_SERVER=$NATS_SERVER is not an executable file; correct it or unset it"
    exit 1
  fi
  printf '%s\n' "$NATS_SERVER"
  exit 0
fi

# Debian puts it in /usr/sbin, which is not on every user's PATH.
PATH="$PATH:/usr/sbin:/usr/local/bin:/opt/homebrew/bin:$private_copy/usr/sbin"

if ! command -v nats-server >/dev/null; then
  if command -v apt-get >/dev/null; then
    get_with_apt
  elif command -v brew >/dev/null; then
    get_with_homebrew
  else
    give_up "no nats-server found, and neither apt-get nor brew to get it with"
  fi
fi

command -v nats-server || give_up "the package manager succeeded but no nats-server is on the PATH"
