#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What has to fail a VM run does fail it, and the rest gets back to the host unchanged.
# timeout: 240
set -euo pipefail

run=$INOCRYPT_TOP/tools/vm/run
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "$*" >&2; exit 1; }

# The judge of kernel logs, without a VM.
judge() { printf '%s\n' "$@" >"$tmp/log"; "$INOCRYPT_TOP/tools/vm/klog-check" "$tmp/log" >"$tmp/o"; }
judge "EXT4-fs (dm-0): mounted filesystem" "device-mapper: table: error" "Linux version 6.1" ||
	fail "a good log fails: $(cat "$tmp/o")"
for l in "WARNING: CPU: 0 PID: 1 at fs/x.c:1" "BUG: kernel NULL pointer dereference" \
	 "Oops: 0000 [#1]" "INFO: task fio:12 blocked for more than 120 seconds." \
	 "BUG: KASAN: use-after-free" "WARNING: possible circular locking dependency detected" \
	 "kernel BUG at mm/slub.c:1!" " Call Trace:" "watchdog: BUG: soft lockup - CPU#0"; do
	! judge "fine" "[    1.0] $l" "fine" || fail "passes as good: $l"
	grep -q -F "$l" "$tmp/o" || fail "not shown: $l"
done

# script TEXT: a script for the VM.
n=0
script() { n=$((n + 1)); s=$tmp/s$n.sh; printf '#!/bin/bash\n%s\n' "$1" >"$s"; chmod +x "$s"; }
vm() { rc=0; timeout 100 "$run" "$@" >"$tmp/out" 2>&1 || rc=$?; }

# Arguments, output as it comes, the script's own exit code, /results.
script 'printf "<%s>" "$@"; echo; sleep 3; echo late; echo data >/results/f; exit 7'
rc=0
timeout 100 "$run" --results "$tmp/r" "$s" one "two  three" "it's \$x" 2>&1 |
	while IFS= read -r l; do echo "$SECONDS $l"; done >"$tmp/out" || rc=$?
[ $rc = 7 ] || fail "exit code 7 came back as $rc: $(cat "$tmp/out")"
grep -q "<one><two  three><it's \\\$x>\$" "$tmp/out" || fail "arguments: $(cat "$tmp/out")"
[ $(($(sed -n '2s/ .*//p' "$tmp/out") - $(sed -n '1s/ .*//p' "$tmp/out"))) -ge 2 ] ||
	fail "output is not live: $(cat "$tmp/out")"
[ "$(cat "$tmp/r/f")" = data ] || fail "/results did not come back"

# A warning in the kernel log of a script that succeeds; excused; and a failing script.
script 'echo "WARNING: made up by the test" >/dev/kmsg; exit ${1:-0}'
vm "$s"
[ $rc = 90 ] || fail "a warning in the kernel log: exit code $rc"
grep -q "made up by the test" "$tmp/out" || fail "the bad line isn't shown: $(cat "$tmp/out")"
log=$(sed -n 's/^vm: whole log: //p' "$tmp/out")
grep -q "made up by the test" "$log" || fail "no log at $log"
rm -f "$log"
vm --allow "made up by" "$s"
[ $rc = 0 ] || fail "--allow: exit code $rc"

# A hang and a panic end it.
script 'sleep 1000'
vm --timeout 12 "$s"
[ $rc = 124 ] || fail "a hang: exit code $rc"
grep -q "timeout after 12 s" "$tmp/out" || fail "nothing said of the timeout"
rm -f "$(sed -n 's/^vm: whole log: //p' "$tmp/out")"
script 'echo c >/proc/sysrq-trigger'
vm "$s"
[ $rc = 91 ] || fail "a panic: exit code $rc"
grep -q "sysrq triggered crash" "$tmp/out" || fail "the panic isn't shown: $(cat "$tmp/out")"
rm -f "$(sed -n 's/^vm: whole log: //p' "$tmp/out")"
echo "all as it should be"
