# shellcheck shell=bash
# Sourced by the nats-server scripts: an apt that changes nothing on the machine.
#
# It reads the machine's own mirrors and keys but keeps its lists and downloads in a
# temporary folder, and unpacks the package instead of installing it. So it needs no
# root, and starts nothing: Debian's nats-server package enables a service on port 4222,
# started at once under systemd and again at every boot.

# Makes the temporary folder; it goes when the script ends.
open_private_apt() {
  apt_folder="$(mktemp -d)"
  trap 'rm -rf "$apt_folder"' EXIT
  mkdir -p "$apt_folder/lists/partial" "$apt_folder/cache/archives/partial" "$apt_folder/download"
  if [ "$(id -u)" = 0 ]; then
    # apt run by root fetches as the user _apt, who must be able to write here.
    chmod 755 "$apt_folder"
    chown _apt "$apt_folder/download"
  fi
}

# private_apt ARGUMENT...: apt-get on the private lists; what it says goes to the log.
# Signatures are checked whatever the machine's configuration allows.
private_apt() {
  (
    cd "$apt_folder/download" &&
      apt-get -q \
        -o Dir::State::Lists="$apt_folder/lists" \
        -o Dir::Cache="$apt_folder/cache" \
        -o APT::Update::Error-Mode=any \
        -o APT::Get::AllowUnauthenticated=false \
        -o Acquire::AllowInsecureRepositories=false \
        -o Acquire::AllowWeakRepositories=false \
        -o Acquire::Languages=none \
        -o Acquire::Retries=1 \
        -o Acquire::http::Timeout=20 \
        -o Acquire::https::Timeout=20 \
        "$@"
  ) >>"$apt_folder/log" 2>&1
}

# unpack_nats_server PACKAGE FOLDER [OPTION...]: downloads and unpacks it, all or nothing.
# Steps are chained: inside a condition, `set -e` does not end a function.
unpack_nats_server() {
  local package="$1" folder="$2" unfinished="$2.$$"
  shift 2
  private_apt "$@" update &&
    private_apt "$@" download "$package" &&
    mkdir -p "$unfinished" &&
    dpkg-deb -x "$apt_folder"/download/nats-server_*.deb "$unfinished" 2>>"$apt_folder/log" &&
    # A package made for another release may need libraries that this one lacks.
    "$unfinished/usr/sbin/nats-server" --version >>"$apt_folder/log" 2>&1 &&
    rm -rf "$folder" &&
    mv "$unfinished" "$folder" &&
    return
  rm -rf "$unfinished"
  return 1
}

# Prints what went wrong, in one line.
apt_complaint() {
  { grep '^E: ' "$apt_folder/log" || cat "$apt_folder/log"; } | tail -n 2 | tr '\n' ' '
}
