#!/usr/bin/env bash
# SLURM for the tests (Debian, Ubuntu): programs alone; the tests start two simulated nodes of their own and stop them.
set -euo pipefail

if command -v sbatch >/dev/null && [ -x /usr/sbin/slurmctld ] && [ -x /usr/sbin/slurmd ] && [ -x /usr/sbin/munged ]; then
  echo "SLURM is installed"
  exit 0
fi
sudo=$([ "$(id -u)" = 0 ] || echo sudo)
$sudo apt-get update -qq
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends slurm-wlm munge >/dev/null
