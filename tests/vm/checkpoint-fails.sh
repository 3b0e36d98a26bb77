#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Checkpoints that fail: the status says so from the first one on, closing tells, and the ways out
# that docs/tool.md names are ways out. And a data device that is full.
# vm: --disk data:64M --disk side:8M --disk spare:8M --timeout 300
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

D=/run/disks/data S0=/run/disks/side S=/dev/mapper/under
export VOL_NO_JUDGE=1
vol_setup $D $S
size=$(blockdev --getsz $S0)

# under [BLOCK]: the sidecar's device, without an error or with one in a block
under()
{
	local table="0 $size linear $S0 0" at=$((${1:-0} * 8))

	[ $# = 0 ] || table="0 $at linear $S0 0
$at 8 error
$((at + 8)) $((size - at - 8)) linear $S0 $((at + 8))"
	if [ -e $S ]; then
		dmsetup suspend under
		dmsetup load under --table "$table"
		dmsetup resume under
	else
		dmsetup create under --table "$table"
	fi
}
# write FROM COUNT: blocks of 4096 bytes, synced; the data is told by the numbers
write()
{
	dd if=/tmp/base bs=4096 skip="$1" count="$2" of=$VOL_DEV seek="$1" oflag=direct \
		conv=notrunc,fsync status=none 2>/tmp/dd.err
}
same() { cmp -s -n $(($2 * 4096)) -i $(($1 * 4096)) /tmp/base $VOL_DEV || fail "$what: blocks from $1 on differ"; }
state() { dmsetup status vol | awk '{ print $4 }'; }
# is STATE: and the tool says the same
is()
{
	[ "$(state)" = "$1" ] || fail "$what: the status says $(state), not $1"
	inocrypt status vol --json >/tmp/json 2>/tmp/err
	grep -q "\"state\": \"$1\"" /tmp/json || fail "$what: no state $1 in $(</tmp/json)"
	[ "$1" = ok ] || grep -q "vol.* fail" /tmp/err || fail "$what: inocrypt status doesn't warn: $(</tmp/err)"
}
head -c 16M /dev/urandom >/tmp/base

what="one block of the sidecar that can't be written"
say "$what"
under
vol_format --owners 1000 --log-size 512K
vol_open
is ok
[ "$(vol_status checkpoint_failing)" = 0 ] || fail "$what: failing from the start"
write 0 8
inocrypt checkpoint vol
vol_close
# The root's other place: a checkpoint's last node, that no other write touches.
inocrypt dump $D --sidecar $S -k "$VOL_KEYS/volume" >/tmp/dump
at() { awk -v f="$1" '$1 == f { print $2; exit }' /tmp/dump; }
nodes=$((($(at place1_offset) - $(at place0_offset)) / 4096))
epoch=$(awk '$1 == "epoch" && $2 > n { n = $2 } END { print n }' /tmp/dump)
root=$(awk -v e="$epoch" '$1 == "epoch" { mine = $2 == e } $1 == "root_place" && mine { print $2; exit }' /tmp/dump)
place=$((1 - root))
bad=$(($(at "place${place}_offset") / 4096 + nodes - 1))
vol_open
under $bad
write 8 8
is ok
! inocrypt checkpoint vol 2>/dev/null || fail "$what: a checkpoint over it"
is failing
[ "$(vol_status checkpoint_failing)" -ge 1 ] || fail "$what: since when?"
grep -q "checkpoint_failing\": [1-9]" /tmp/json || fail "$what: not in JSON"
[[ $(dmesg) =~ "can't write sidecar blocks "([0-9]+)" to "([0-9]+) ]] || fail "$what: no word in the kernel log"
[ "${BASH_REMATCH[1]}" -le $bad ] && [ "${BASH_REMATCH[2]}" -ge $bad ] || fail "$what: block $bad is not in ${BASH_REMATCH[0]}"
# What is synced is durable, until the log is full. Then nobody says ok either.
n=0
while write 0 16; do
	n=$((n + 1))
	[ $n -lt 100 ] || fail "$what: the log never fills"
done
[ $n -ge 3 ] || fail "$what: only $n writes, with a log of 128 blocks"
is failing
n=16
same 0 $n
rc=0
inocrypt close vol 2>/tmp/err || rc=$?
[ $rc = 5 ] || fail "$what: close: exit code $rc"
grep -q "could not be committed" /tmp/err || fail "$what: close says $(</tmp/err)"

what="it opens read-only"
say "$what"
rc=0
inocrypt open $D vol --sidecar $S -k "$VOL_KEYS/volume" 2>/tmp/err || rc=$?
[ $rc = 5 ] || fail "opens over a place that can't be written: exit code $rc"
grep -q "can't write sidecar blocks" /tmp/err || fail "no reason: $(</tmp/err)"
vol_open --readonly
same 0 $n
is ok
vol_close

what="the sidecar moves"
say "$what"
dd if=$S of=/run/disks/spare bs=4096 conv=noerror,sync,fsync iflag=direct,fullblock status=noxfer 2>/tmp/err || true
grep -q "Input/output error" /tmp/err || fail "the bad block was read: $(</tmp/err)"
VOL_SIDECAR=/run/disks/spare
check_volume
vol_open
same 0 $n
write $n 64
inocrypt checkpoint vol
is ok
vol_close
check_volume
vol_open
same 0 $((n + 64))
vol_close

what="it can be written again"
say "$what"
VOL_SIDECAR=$S
under
vol_open
same 0 $n
vol_close
vol_open
write 0 8
inocrypt checkpoint vol
under $(($(at place0_offset) / 4096 + nodes - 1))
for i in 1 2; do
	write $((i * 8)) 8
	inocrypt checkpoint vol 2>/dev/null || break
done
is failing
under
inocrypt checkpoint vol || fail "$what: checkpoint"
is ok
[ "$(vol_status checkpoint_failing)" = 0 ] || fail "$what: still failing"
same 0 $n
vol_close
check_volume
dmsetup remove under

# Each call of a checkpoint's to the crypto library fails in turn, from salt and key of the new
# part of the log over the nodes to the superblock. It is as if it had not been tried.
what="each step fails in turn"
say "$what"
VOL_SIDECAR=$S0
vol_open
key=$(key_new alice)
modprobe fail-nth
P=/sys/module/fail_nth/parameters
for ((nth = 1; ; nth++)); do
	[ $nth -lt 60 ] || fail "$what: no end of it"
	# In two leaves, and in the owners' too.
	write $((nth % 16)) 1
	write $((1000 + nth % 16)) 1
	epoch=$(vol_status epoch)
	echo $nth >$P/nth
	rc=0
	inocrypt checkpoint vol 2>/dev/null || rc=$?
	calls=$(<$P/calls)
	echo 0 >$P/nth
	[ "$calls" -ge $nth ] || break
	[ $rc != 0 ] || fail "$what: call $nth fails, the checkpoint doesn't"
	is failing
	[ "$(vol_status epoch)" = "$epoch" ] || fail "$what: call $nth: something was committed"
	[ "$(vol_status nodes_dirty)" -ge 2 ] || fail "$what: call $nth: only $(vol_status nodes_dirty) nodes are dirty"
	inocrypt checkpoint vol || fail "$what: after call $nth: no checkpoint"
	is ok
	[ "$(vol_status nodes_dirty)" = 0 ] || fail "$what: after call $nth: $(vol_status nodes_dirty) nodes are dirty"
	[ "$(vol_status log_used)" -le 2 ] || fail "$what: after call $nth: the log was not cut"
done
[ $rc = 0 ] || fail "$what: without a fault: exit code $rc"
[ $nth -ge 6 ] || fail "$what: only $nth calls"
say "  $((nth - 1)) calls"
rmmod fail-nth
vol_close
check_volume
vol_open
same 0 16
same 1001 $((nth < 15 ? nth : 15))
# Nothing of a failed one is left in memory that keeps a key from being deleted.
dmsetup message vol 0 key remove "$key"
dmsetup message vol 0 key delete "$key" || fail "$what: the key can't be deleted"
vol_close

what="the data device is full"
say "$what"
# A thin pool of 28 MiB for 64: the header, the sidecar, and some of the data.
modprobe dm-thin-pool
dd if=/dev/zero of=/run/disks/spare bs=4096 count=1 conv=notrunc status=none
pool() { echo "0 $(($1 * 2048)) thin-pool /run/disks/spare $D 128 0 1 error_if_no_space"; }
dmsetup create pool --table "$(pool 28)"
dmsetup message pool 0 "create_thin 0"
dmsetup create thin --table "0 $((64 * 2048)) thin /dev/mapper/pool 0"
thin=/dev/mapper/thin
vol_setup $thin $S0
vol_format --owners 1000 --log-size 512K
vol_open
n=0
while write $n 512; do
	n=$((n + 512))
	[ $n -lt 4096 ] || fail "$what: it never is"
done
[ $n -ge 1024 ] || fail "$what: after $n blocks"
grep -q "No space left on device" /tmp/dd.err || fail "$what: the writer is told $(</tmp/dd.err)"
[ "$(vol_status io_errors)" -ge 1 ] || fail "$what: not counted"
is ok
same 0 $n
write 0 8 || fail "$what: what is there can't be overwritten: $(</tmp/dd.err)"
inocrypt checkpoint vol
dmsetup suspend pool
dmsetup load pool --table "$(pool 60)"
dmsetup resume pool
write $n 512 || fail "$what: with room made, too: $(</tmp/dd.err)"
same 0 $((n + 512))
vol_close
check_volume
say "done"
