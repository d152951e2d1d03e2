#!/bin/sh
# usage: sh tests/install.sh PACKAGE...
# Installs those Debian packages that are missing: as root, or with sudo. Says what it does; does nothing when all are there.
set -eu
missing=
for p in "$@"; do
  case $(dpkg-query -W -f '${Status}' "$p" 2>/dev/null || true) in
    *' installed') ;;
    *) missing="$missing $p" ;;
  esac
done
[ -n "$missing" ] || exit 0
echo "installing:$missing"
if [ "$(id -u)" = 0 ]; then run=; else run=sudo; fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086  # words on purpose
$run apt-get update -qq && $run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
