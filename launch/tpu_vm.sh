#!/usr/bin/env bash
# Creates a slice of TPU VMs, installs samr_jax on every worker and starts a run on all
# of them. Needs the gcloud command, logged in, with a project set.
#
#   launch/tpu_vm.sh create  NAME ZONE TYPE VERSION    e.g. v5litepod-16 v2-alpha-tpuv5-lite
#   launch/tpu_vm.sh install NAME ZONE                 copies this checkout, makes .venv
#   launch/tpu_vm.sh run     NAME ZONE WORKDIR [FLAGS] e.g. /mnt/shared/run --config=configs/paired.py
#   launch/tpu_vm.sh delete  NAME ZONE
#
# WORKDIR must be the same storage for all workers. `run` again resumes; a preempted run
# has saved its state.
set -euo pipefail

usage() { sed -n '2,13s/^# \{0,1\}//p' "$0" >&2; exit 1; }
[ $# -ge 3 ] || usage
action=$1 name=$2 zone=$3
shift 3

on_all_workers() {
  gcloud compute tpus tpu-vm ssh "$name" --zone="$zone" --worker=all --command="$1"
}

case $action in
  create)
    [ $# -eq 2 ] || usage
    gcloud compute tpus tpu-vm create "$name" --zone="$zone" \
      --accelerator-type="$1" --version="$2"
    ;;
  install)
    archive=$(mktemp --suffix=.tar.gz)
    trap 'rm -f "$archive"' EXIT
    git -C "$(dirname "$0")/.." archive --prefix=samr_jax/ -o "$archive" HEAD
    gcloud compute tpus tpu-vm scp "$archive" "$name:samr_jax.tar.gz" \
      --zone="$zone" --worker=all
    on_all_workers "tar xzf samr_jax.tar.gz && cd samr_jax && python3 -m venv .venv &&
      .venv/bin/pip install -q . 'jax[tpu]'"
    ;;
  run)
    [ $# -ge 1 ] || usage
    workdir=$1
    shift
    on_all_workers "cd samr_jax && SAMR_JAX_DISTRIBUTED=1 .venv/bin/python \
      launch/main.py --workdir=$(printf %q "$workdir") $(printf '%q ' "$@")"
    ;;
  delete)
    gcloud compute tpus tpu-vm delete "$name" --zone="$zone"
    ;;
  *) usage ;;
esac
