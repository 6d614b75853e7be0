#!/usr/bin/env bash
# Prints the path of the newest nats-server, for the tests: $NATS_SERVER_NEWEST, else
# the one in Debian's sid, unpacked into .cache without touching the system.
# Exits 3 with the reason where it cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly private_copy="$PWD/.cache/nats-server-newest"
readonly binary="$private_copy/usr/sbin/nats-server"

say() { printf 'newest-nats-server.sh: %s\n' "$*" >&2; }

cannot_be_had() {
  say "cannot be had: $1"
  say "To test on it all the same, set NATS_SERVER_NEWEST=/path/to/nats-server"
  exit 3
}

# debian_mirror [OPTION...]: the first mirror that apt's lists say is Debian's own archive.
debian_mirror() {
  # shellcheck disable=SC2016 # the fields are apt's, not the shell's
  apt-get indextargets "$@" --format '$(ORIGIN)/$(LABEL)/$(COMPONENT) $(REPO_URI)' \
    'Created-By: Packages' 2>/dev/null | sed -n 's|^Debian/Debian/main ||p' | sed -n 1p
}

get_with_apt() {
  if ! command -v apt-get >/dev/null; then
    cannot_be_had "it comes from Debian's archive, and this machine has no apt"
  fi

  local keyring="" file
  for file in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
    if [ -r "$file" ]; then keyring="$file"; fi
  done
  if [ -z "$keyring" ]; then
    cannot_be_had "this machine has no Debian archive keyring to check its signature with"
  fi

  # shellcheck source=scripts/private-apt.sh
  . scripts/private-apt.sh
  open_private_apt
  say "unpacking the newest nats-server, from Debian's sid, into .cache (nothing is installed)"

  local mirror
  mirror="$(debian_mirror)"
  if [ -z "$mirror" ]; then
    # Without lists of its own, the machine cannot tell which mirror is Debian's.
    private_apt update || cannot_be_had "apt could not fetch this machine's lists: $(apt_complaint)"
    mirror="$(debian_mirror -o Dir::State::Lists="$apt_folder/lists")"
  fi
  if [ -z "$mirror" ]; then
    cannot_be_had "none of this machine's package sources is a Debian mirror"
  fi

  local sid="$apt_folder/sid.list"
  printf 'deb [signed-by=%s] %s sid main\n' "$keyring" "$mirror" >"$sid"
  if ! unpack_nats_server nats-server/sid "$private_copy" \
    -o Dir::Etc::SourceList="$sid" -o Dir::Etc::SourceParts=/dev/null; then
    cannot_be_had "$(apt_complaint)"
  fi
}

if [ -n "${NATS_SERVER_NEWEST:-}" ]; then
  if [ ! -f "$NATS_SERVER_NEWEST" ] || [ ! -x "$NATS_SERVER_NEWEST" ]; then
    say "NATS_SERVER_NEWEST=$NATS_SERVER_NEWEST is not an executable file; correct it or unset it"
    exit 1
  fi
  printf '%s\n' "$NATS_SERVER_NEWEST"
  exit 0
fi

if [ ! -x "$binary" ]; then get_with_apt; fi
printf '%s\n' "$binary"
