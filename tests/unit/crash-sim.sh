#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# alone
# quick
# timeout: 1200
# crash-sim.sh - the crash simulator: the shared log, recovery and checkpoint code over a
# simulated disk, a million crash states (ten with --long); first a few under the sanitizers.
# A few only with INOCRYPT_QUICK. SEED=n chooses other runs; with --long each day has its own.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
seed=${SEED:-202611230000}
states=1000000
if [ -n "${INOCRYPT_LONG:-}" ]; then
	states=10000000
	seed=${SEED:-$(date +%Y%m%d)0000}
fi

make -s -C "$top/tests/sim"
cd "$top/build/tests/sim"
if [ -n "${INOCRYPT_QUICK:-}" ]; then
	for how in "" --faults --churn; do
		# shellcheck disable=SC2086 # none, or one word
		./crash-sim --seed "$seed" --states 10000 $how
	done
	exit
fi
./crash-sim-asan --seed "$seed" --states 8000
./crash-sim --seed "$seed" --states $((states / 20)) --faults
./crash-sim --seed "$seed" --states $((states / 20)) --churn
./crash-sim --seed "$seed" --states $((states / 20)) --stubborn
./crash-sim --seed "$seed" --states $((states / 20)) --reloads
./crash-sim --seed "$seed" --states $((states * 19 / 20))
