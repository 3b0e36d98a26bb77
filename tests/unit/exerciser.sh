#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# exerciser.sh - the exerciser itself, under ASan and UBSan on this machine's file system:
# finds nothing where nothing is wrong, finds a flipped bit, goes on from a saved state.
# timeout: 240
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
exe=$top/build/tests/exerciser-asan
dir=$(mktemp -d -p "${EXERCISER_TMP:-/var/tmp}" exerciser.XXXXXX)
trap 'rm -rf "$dir"' EXIT

fail()
{
	cat "$dir/out" >&2
	echo "FAIL: $*" >&2
	exit 1
}

# Pages without a device below are never written back, so never zeroed past the end.
args=()
[ "$(stat -f -c %T "$dir")" != tmpfs ] || args=(--without map-past-eof)

# run ARGS...: in fresh directories unless they resume
run()
{
	[[ " $* " == *" --resume "* ]] || rm -rf "$dir/a" "$dir/b"
	mkdir -p "$dir/a" "$dir/b"
	rc=0
	timeout 100 "$exe" --dir "$dir/a" --dir "$dir/b" "${args[@]}" "$@" >"$dir/out" 2>&1 || rc=$?
}

make -s -C "$top/tests"

ops=4000
[ -z "${INOCRYPT_LONG:-}" ] || ops=40000
for seed in 1 2; do
	run --ops $ops --seed $seed --max-file-size 512K
	[ $rc = 0 ] || fail "seed $seed: exit code $rc where nothing is wrong"
done
grep -q ': ok: ' "$dir/out" || fail "does not say what it did"

# One bit flipped behind its back, at several points; each must be noticed.
for at in 300 420 550; do
	run --ops 600 --procs 1 --phases 1 --seed 7 --self-test-corrupt $at
	grep -q 'self-test: flipped' "$dir/out" || fail "self-test after op $at did not happen"
	[ $rc = 1 ] || fail "a bit flipped after op $at was not noticed: exit code $rc"
	grep -q 'expected ' "$dir/out" || fail "does not show what it expected"
	grep -q 'replay: .*--seed 7' "$dir/out" || fail "does not say how to replay"
done

# The same seed does the same: the logs of two runs are alike.
run --ops 600 --procs 1 --phases 1 --shared 0 --seed 3 --verbose
cp "$dir/out" "$dir/first"
run --ops 600 --procs 1 --phases 1 --shared 0 --seed 3 --verbose
diff <(grep -v ': ok: ' "$dir/first") <(grep -v ': ok: ' "$dir/out") >"$dir/diff" ||
	{ head "$dir/diff"; fail "two runs of one seed differ"; }

# Stopped, resumed; a change made meanwhile is found, and so is one to the state.
state=(--ops 1200 --procs 2 --phases 3 --seed 5 --state "$dir/state")
run "${state[@]}" --stop-after 1
[ $rc = 0 ] || fail "--stop-after: exit code $rc"
run "${state[@]}" --resume --verify-only
[ $rc = 0 ] || fail "--resume --verify-only: exit code $rc"
file=$(find "$dir/b" -name 'f*' -size +8k | head -n 1)
cp "$file" "$dir/saved"
printf X | dd of="$file" bs=1 seek=5000 conv=notrunc status=none
run "${state[@]}" --resume --verify-only
[ $rc = 1 ] || fail "a change while stopped was not noticed: exit code $rc"
cp "$dir/saved" "$file"
run "${state[@]}" --resume
[ $rc = 0 ] || fail "--resume: exit code $rc"
printf X | dd of="$dir/state" bs=1 seek=5000 conv=notrunc status=none
run "${state[@]}" --resume --verify-only
[ $rc = 2 ] || fail "a damaged state was not noticed: exit code $rc"
echo "exerciser: good, and notices what is wrong"
