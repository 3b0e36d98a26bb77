#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# trace.sh - what tools/trace makes of a recording (unit/trace/recorded.txt, from a VM): the time that
# each stage took, what it leaves out and why; its errors. That the module, the tool and interface.md
# know the same stages. tests/vm/target-io.sh has it record.
# timeout: 60
# quick
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
py=/usr/bin/python3
export PYTHONDONTWRITEBYTECODE=1
rec=$top/tests/unit/trace/recorded.txt
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "FAIL: $*" >&2; exit 1; }

# trace CODE ARGUMENTS...: it ends with CODE; what it says is in $tmp/out.
trace()
{
	local want=$1 rc=0

	"$py" "$top/tools/trace" "${@:2}" >"$tmp/out" 2>&1 || rc=$?
	[ $rc = "$want" ] || fail "trace ${*:2}: exit code $rc, not $want: $(<"$tmp/out")"
}
# has SECTION ROW: the report has this row below that heading, blanks apart.
has()
{
	awk -v s="$1, µs" 'index($0, s) == 1 { on = 1; next } !NF { on = 0 } on { $1 = $1; print }' "$tmp/out" |
		grep -q -x -F -- "$2" || fail "$1 has no '$2': $(<"$tmp/out")"
}
said() { grep -q -F -- "$1" "$tmp/out" || fail "it doesn't say '$1': $(<"$tmp/out")"; }

trace 0 --slow 1 --read "$rec"
# Write 8 of table 1 and 1133 of table 2; 1158 was under way when events were lost.
has writes "durable 2 78879 78879 83033 83033"
has writes "data_done 2 2792 2792 3465 3465"
has writes "= answered 2 77 77 2487 2487"
has writes "= in all 2 120647 120647 121805 121805"
# The leaf and the data side by side.
has reads "leaf_wanted 1 11136 11136 11136 11136"
has reads "data_submitted 1 146 146 146 146"
has reads "looked_up 2 3 3 7893 7893"
has flushes "= in all 1 78506 78506 78506 78506"
has "rounds of the log" "flushed 1 32704 32704 32704 32704"
has "rounds of the log" "told 5 3 15 393 393"
has checkpoints "super 1 4678 4678 4678 4678"
has checkpoints "= in all 1 9193 9193 9193 9193"
said "The rounds wrote 4 blocks of the log, 1 of them data."
said "78506 µs: flush, on "
said "68 EVENTS WERE LOST"
said "left out: 1 requests"
said "Left out: 1 that were under way when the recording began, 1 when it ended."
! grep -q -w failed "$tmp/out" || fail "something failed: $(<"$tmp/out")"

# A loss at the end concerns what came after; one that isn't counted is said to be so.
sed '/LOST/d' "$rec" >"$tmp/t"
echo 'CPU:1 [LOST EVENTS]' >>"$tmp/t"
trace 0 --read "$tmp/t"
has writes "= in all 3 70780 120647 121805 121805"
said "Some EVENTS WERE LOST"
said "left out: 1 requests"
trace 0 --read "$rec" --device 253:1
said "Nothing was recorded"

# What fails: one request and one round.
sed -e 's/\(id=9 op=flush at=ended.*error=\)0/\1-5/' -e 's/\(id=7 at=\)told/\1failed/' "$rec" >"$tmp/t"
trace 0 --slow 9 --read "$tmp/t"
said "2 requests, rounds or checkpoints failed."
said "flush, on 253:0, error -5"
has "rounds of the log" "failed 1 20 20 20 20"

# Names of tasks are others' choice, and aren't shown.
sed -e "s/ dd-188/$(printf 'a-1 [0] \033[31m')-188/" "$rec" >"$tmp/t"
trace 0 --slow 9 --read "$tmp/t"
! grep -q $'\033' "$tmp/out" || fail "a task's name is shown"

echo "nonsense" >"$tmp/t"
trace 1 --read "$tmp/t"
said "line 1"
sed 's/at=stored/at=stacked/' "$rec" >"$tmp/t"
trace 1 --read "$tmp/t"
said "another version"
trace 1 --read "$tmp/none"
said "No such file"
trace 1 --device "$tmp/none" --time 1
trace 2
trace 2 --time 1 --read "$rec"
trace 2 --time nan
trace 2 --slow -1 --read "$rec"
trace 0 --help
said "exit codes"
if [ "$(id -u)" = 0 ]; then
	cp "$top/tools/trace" "$tmp/trace"
	chmod a+rx "$tmp" "$tmp/trace"
	out=$(setpriv --reuid 65534 --clear-groups "$py" "$tmp/trace" --time 1 2>&1) && fail "it records for anybody"
	[[ $out == "trace: recording takes root"* ]] || fail "as nobody it says: $out"
fi

# list EVENT: the stages that the module's header has, the tool, and interface.md.
list()
{
	local macro

	case $1 in
	ic_io)		macro=IC_AT_NAMES;;
	ic_round)	macro=IC_ROUND_NAMES;;
	ic_checkpoint)	macro=IC_CHECKPOINT_NAMES;;
	esac
	sed -n "/^#define $macro /,/IC_AT_LAST/s/.*\"\\(.*\\)\".*/\\1/p" "$top/dm-target/core/trace.h" >"$tmp/module"
	"$py" - "$top/tools/trace" "$1" >"$tmp/tool" <<-END
		import importlib.machinery, sys
		tool = importlib.machinery.SourceFileLoader("tool", sys.argv[1]).load_module()
		print("\n".join(tool.STAGES[sys.argv[2]]))
	END
	sed -n "/^\*\*\`$1\`\*\*/,/^\*\*\|^## /s/^| \(\`.*\`\) |.*/\1/p" "$top/docs/interface.md" |
		sed -e 's/ |.*//' | grep -o '`[a-z_]*`' | tr -d '`' | grep -v -x at >"$tmp/docs"
	[ "$(wc -l <"$tmp/module")" -gt 4 ] || fail "trace.h isn't understood any more: $1"
	cmp -s "$tmp/module" "$tmp/tool" || fail "$1: the tool has other stages: $(diff "$tmp/module" "$tmp/tool")"
	cmp -s "$tmp/module" "$tmp/docs" || fail "$1: interface.md has other stages: $(diff "$tmp/module" "$tmp/docs")"
}
list ic_io
list ic_round
list ic_checkpoint
echo "as it should be"
