#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# fuzz.sh - the parsers of what is on the disk and of text, and recovery, fuzzed under ASan and
# UBSan: 2 minutes each, two at a time; 20 with --long. FUZZ_SECONDS=n and FUZZ="super log"
# choose otherwise. tests/fuzz/ has the fuzzers and says what each knows of its code.
# alone
# timeout: 5400
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
bin=$top/build/tests/fuzz
corpus=$top/tests/fuzz/corpus
# What it found so far is kept for the next run; what crashes is a result of this one.
kept=$bin/run
res=$top/tests/results/fuzz
seconds=${FUZZ_SECONDS:-120}
[ -z "${INOCRYPT_LONG:-}" ] || seconds=${FUZZ_SECONDS:-1200}
read -ra fuzzers <<<"${FUZZ:-super node log table}"

# What has to have been reached, or the fuzzer only tests the tags: see REACHED() there.
declare -A reached=(
	[super]="parameters accepted|superblock accepted|volume read|a volume fits"
	[node]="leaf found|damage noticed|damage noticed, an older writing is there|dump printed|check|check repaired"
	[log]="log recovered|log checked by the tool|log dumped|log refused|salts followed|recovery cut short|PUT confirmed by the disk|torn sector|data put in place|data block refused"
	[table]="table line accepted|message answered|message taken|status line read|key list read|size read|key id read|UUID read|anchor accepted|superblock's names in the status"
)
declare -A length=([super]=1100 [node]=2000 [log]=4096 [table]=1500)

# Old clang's runtime looks for llvm-symbolizer only; binutils' will do.
symbolizer=$(command -v llvm-symbolizer llvm-symbolizer-14 addr2line | head -n 1 || true)
export ASAN_OPTIONS=quarantine_size_mb=16:external_symbolizer_path=$symbolizer
export UBSAN_OPTIONS=print_stacktrace=1

make -s -C "$top/tests/fuzz"
rm -rf "$res"
mkdir -p "$res"

# args NAME: options of a run and of a replay alike
args()
{
	printf '%s\n' -timeout=25 -rss_limit_mb=1500 -max_len="${length[$1]}"
	[ ! -f "$bin/$1.dict" ] || echo "-dict=$bin/$1.dict"
}

pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true' EXIT
fuzz()
{
	local opts dirs=("$kept/$1")

	mapfile -t opts < <(args "$1")
	# In a check the same inputs each time, as far as time allows.
	[ -n "${INOCRYPT_LONG:-}" ] || opts+=(-seed=1)
	mkdir -p "$kept/$1"
	[ ! -d "$corpus/$1" ] || dirs+=("$corpus/$1")
	nice "$bin/$1" "${opts[@]}" -max_total_time="$seconds" -print_final_stats=1 \
		-artifact_prefix="$res/$1-" "${dirs[@]}" >"$res/$1.log" 2>&1
}

# Two at a time, as many as there are processors.
for ((i = 0; i < ${#fuzzers[@]}; i++)); do
	[ $i -lt 2 ] || wait "${pids[i - 2]}" || true
	fuzz "${fuzzers[i]}" &
	pids[i]=$!
done

bad=0
for i in "${!fuzzers[@]}"; do
	f=${fuzzers[i]}
	log=$res/$f.log
	if ! wait "${pids[i]}"; then
		bad=1
		input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
		grep -m 3 -E '^BUG: |ERROR: |runtime error: |SUMMARY: ' "$log" || tail -n 5 "$log"
		echo "FAIL: $f; the input is ${input:-not known}, the whole output $log"
		echo "      replay: $bin/$f $input"
		continue
	fi
	IFS='|' read -ra want <<<"${reached[$f]}"
	for w in "${want[@]}"; do
		grep -q -E "^reached: [0-9]+ $w\$" "$log" || {
			bad=1
			echo "FAIL: $f never got to: $w; see $log"
		}
	done
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	cov=$(sed -n 's/.*DONE  *cov: \([0-9]*\) .*/\1/p' "$log")
	slow=$(sed -n 's/^stat::slowest_unit_time_sec: *//p' "$log")
	echo "$f: $runs inputs in $seconds s, $cov edges, slowest $slow s"
done
pids=()
[ $bad = 0 ] && echo "fuzz: no crash, no hang"
