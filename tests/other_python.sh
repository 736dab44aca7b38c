#!/usr/bin/env bash
# Installs the package with the newest releases of all libraries under another Python,
# that of a Debian release, and runs tests there.
#
#     apt-get install debootstrap
#     tests/other_python.sh FOLDER [ARGUMENTS OF PYTEST]
#     tests/other_python.sh /tmp/trixie -m quick
#
# It has to be run as root. The first call puts the release SUITE (by default trixie, with
# Python 3.13) into FOLDER, from the mirror MIRROR if there is one, which takes some
# minutes and 4 GB. Each call copies the working tree, installs, and runs pytest with the
# arguments; without arguments it runs all tests.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -ge 1 ] || { sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 1; }
folder=$(realpath -m "$1")
root=$folder/root
shift

if [ ! -e "$folder/made" ]; then
  mkdir -p "$folder"
  debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates,libgomp1 \
    "${SUITE:-trixie}" "$root" ${MIRROR:+"$MIRROR"}
  touch "$folder/made"
fi

# What is mounted is unmounted at the end, the last first, whatever happens.
mounted=()
unmount() {
  for ((i = ${#mounted[@]} - 1; i >= 0; i--)); do umount "${mounted[i]}"; done
}
trap unmount EXIT
share() {
  if [ -d "$1" ]; then
    mkdir -p "$root$1"
  elif [ ! -e "$root$1" ]; then
    install -D /dev/null "$root$1"
  fi
  mount --bind "$1" "$root$1"
  mounted+=("$root$1")
}
share /proc
share /dev
share /dev/shm
cp /etc/resolv.conf /etc/hosts "$root/etc/"

# Packages come from where the pip of this machine has them: its settings, and the files
# and folders that they name, are the same there. An index has its files next to simple/.
pip_settings() {
  python3 -m pip config debug | sed -n 's/^  \(.*\), exists: True$/\1/p'
  python3 -m pip config list | grep -oE "(^|[ =':])(file:/)?/[^ ']+" |
    sed -e 's/^[^/]*//' -e 's|^//*|/|' -e 's|/simple/*$||'
}
while read -r path; do
  [ ! -e "$path" ] || share "$path"
done < <(pip_settings | sort -u)

rm -rf "$root/samr_jax"
mkdir "$root/samr_jax"
git ls-files -z --cached --others --exclude-standard | tar -c --null -T - |
  tar -x -C "$root/samr_jax"

inside() {
  chroot "$root" /usr/bin/env -u PYTHONPATH HOME=/root TMPDIR=/tmp \
    PATH=/venv/bin:/usr/bin:/bin sh -c 'cd /samr_jax && exec "$@"' inside "$@"
}
[ -e "$root/venv" ] || inside python3 -m venv /venv
inside pip install -qq --upgrade --upgrade-strategy=eager -e '.[prepare,test]'
inside python --version
inside pip freeze | grep -iE '^(jax|jaxlib|flax|optax|orbax-checkpoint|numpy)=='
inside python -m pytest "$@"
