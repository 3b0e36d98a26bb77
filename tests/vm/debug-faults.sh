#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Memory that can't be had: allocations fail, one after the other in the constructor, messages
# and a mount; at random under direct I/O, checkpoints and keys that come and go.  Errors may be
# reported; nothing crashes, hangs, leaks or reads wrong, and when there is memory again all is
# well.  The debug kernel's checkers judge the rest.
# needs: debug-kernel
# The kernel's own traces of allocations that failed are no bugs.
# vm: --disk data:96M --disk side:16M --timeout 300 --allow Call.Trace:
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

export VOL_NO_JUDGE=1
F=/sys/kernel/debug
kinds="failslab fail_page_alloc"
[ -d $F/failslab ] || fail "no fault injection in this kernel"
# The module's code, for the kernel's stack filter: only what it calls, or is called for it in a
# worker of its own, is to fail.
declare -A from to

# set_all FILE VALUE
set_all()
{
	local k

	for k in $kinds; do
		[ ! -f $F/$k/"$1" ] || echo "$2" >$F/$k/"$1"
	done
}

# range MODULE
range()
{
	local name size addr

	while read -r name size _ _ _ addr _; do
		[ "$name" != "$1" ] || break
	done </proc/modules
	[ "$name" = "$1" ] || fail "module $1 is not loaded"
	from[$1]=$addr
	to[$1]=$(printf '0x%x' $((addr + size)))
}

# faults_on MODULE|all EVERY: of the allocations that the module causes about every EVERY-th fails
faults_on()
{
	# All that is a module in this kernel is ours, or jbd2.
	from[all]=0xffffffffa0000000 to[all]=0xffffffffff000000
	[ "$1" = all ] || range "$1"
	set_all require-start "${from[$1]}"
	set_all require-end "${to[$1]}"
	set_all times 1000000
	set_all interval 1
	if [ "$2" -ge 100 ]; then
		# The interval counts what others allocate too: just a bit more random.
		set_all interval $(($2 / 100))
		set_all probability 1
	else
		set_all probability $((100 / $2))
	fi
}

# faults_off: and say how many there were
injected=0
faults_off()
{
	local k left

	set_all probability 0
	injected=0
	for k in $kinds; do
		read -r left <$F/$k/times
		injected=$((injected + 1000000 - left))
	done
	[ "${1:-}" = quiet ] || [ $injected -gt 0 ] || fail "${what:-}: no allocation failed"
}

# patient COMMAND...: its exit code, but a hang is a failure of the test.
patient()
{
	local rc=0

	timeout -k 5 $((60 * VM_SLOW)) "$@" || rc=$?
	[ $rc != 124 ] && [ $rc != 137 ] || {
		echo w >/proc/sysrq-trigger
		fail "hangs, or was killed by an oops: $*"
	}
	return $rc
}

# each ARGUMENTS...: of failnth
each()
{
	patient failnth "$@" || fail "$what"
}

set_all task-filter N
set_all ignore-gfp-wait N
set_all ignore-gfp-highmem N
set_all cache-filter Y	# all caches but the checkers' own, see tools/vm/run
set_all min-order 0
set_all verbose 0
set_all stacktrace-depth 32
set_all space 0
faults_off quiet

# FAULTS='<part> ...': these parts, in this order. Besides the usual three there are open, fs (ext4
# with keyed files) and modules (loading them), which take long.

t_modules()
{
	what="loading the modules"
	say "$what"
	local updates=/lib/modules/$VM_KVER/updates
	rmmod dm-inocrypt
	each -s 7 module $updates/dm-inocrypt.ko dm_inocrypt
	rmmod ext4
	each -s 11 module $updates/ext4.ko ext4
	rmmod bio-owner
	each -s 7 module $updates/bio-owner.ko bio_owner
	modprobe dm-inocrypt
	modprobe ext4
}

t_calls()
{
	what="the constructor"
	say "$what"
	vol_format
	vol_open
	vol_close
	desc=inocrypt:faults
	keyctl padd logon $desc @u <"$VOL_KEYS/volume" >/dev/null
	[[ $(keyctl show @s 2>/dev/null) == *$desc* ]] || keyctl link @u @s
	vol_open
	table=$(dmsetup table vol)
	read -r _ sectors _ args <<<"$table"
	vol_close
	# The line as the kernel shows it, but for the key's name.
	args=$(sed -E "s/:32:logon:[^ ]+/:32:logon:$desc/" <<<"$args")
	dmsetup create --notable vol
	each -s 13 table vol "$sectors" "$args"
	dmsetup load vol --table "0 $sectors inocrypt $args"
	dmsetup resume vol

	what="suspend and resume"
	say "$what"
	each resume vol
	what="messages"
	say "$what"
	head -c 32 /dev/urandom >/tmp/mk
	keyctl padd logon inocrypt:mk @u </tmp/mk >/dev/null
	id=$(dmsetup message vol 0 key add :32:logon:inocrypt:mk)
	each message vol "key add :32:logon:inocrypt:mk" "key remove $id"
	each message vol "checkpoint"
	each message vol "key list"
	each message vol "raw on" "raw off"
	what="direct I/O, each allocation"
	say "$what"
	each -s 3 io $VOL_DEV
	dmsetup remove vol
}

t_mount()
{
	what="mount"
	say "$what"
	vol_format
	vol_open
	vol_mkfs
	mkdir -p /mnt/m
	each -s 5 mount $VOL_DEV /mnt/m
	vol_close
}

t_io()
{
	local how bm id

	what="direct I/O"
	say "$what"
	vol_format
	vol_open --cache-size 1M 2>/dev/null || vol_open
	for how in "dm_inocrypt 5" "dm_inocrypt 50" "all 10"; do
		# shellcheck disable=SC2086 # two words
		faults_on $how
		patient blkmodel -E -t 3 -o $((150 * LONG)) -r "${how//[!0-9]/}" -m /tmp/model $VOL_DEV >/tmp/bm 2>&1 &
		bm=$!
		while kill -0 $bm 2>/dev/null; do
			patient dmsetup message vol 0 checkpoint 2>/dev/null || true
			patient inocrypt key add vol -k "$VOL_KEYS/mk.a" >/tmp/out 2>/dev/null || true
			patient dmsetup message vol 0 key list >/dev/null 2>&1 || true
			read -r id _ <<<"$(grep -o -E '[0-9a-f]{32}' /tmp/out || true)"
			[ -z "$id" ] || patient dmsetup message vol 0 key remove "$id" 2>/dev/null || true
		done
		wait $bm || fail "$what, $how: $(</tmp/bm)"
		faults_off
		say "  $how: $injected faults; $(</tmp/bm)"
		patient blkmodel -v -m /tmp/model $VOL_DEV >/tmp/bm 2>&1 || fail "$what, $how, afterwards: $(</tmp/bm)"
		vol_judge
	done
	vol_close
	vol_open
	patient blkmodel -v -m /tmp/model $VOL_DEV >/tmp/bm 2>&1 || fail "$what, after a reopen: $(</tmp/bm)"
	vol_close
}

t_open()
{
	local i done=0

	what="opening and closing"
	say "$what"
	rm -f /tmp/model
	vol_format
	vol_open
	blkmodel -o 50 -m /tmp/model $VOL_DEV >/tmp/bm 2>&1 || fail "$what: $(</tmp/bm)"
	vol_close
	for ((i = 0; i < 12 * LONG; i++)); do
		faults_on all $((1000 + i * 300))
		if patient inocrypt open --volume-key-file "$VOL_KEYS/volume" --sidecar $VOL_SIDECAR $VOL_DATA vol 2>/dev/null; then
			done=$((done + 1))
			patient dd if=$VOL_DEV of=/dev/null bs=64k count=4 iflag=direct status=none 2>/dev/null || true
		fi
		patient inocrypt close vol 2>/dev/null || true
		faults_off quiet
		[ ! -e $VOL_DEV ] || patient dmsetup remove vol || fail "can't remove the device"
	done
	say "  $done of $i times open"
	vol_open
	patient blkmodel -v -m /tmp/model $VOL_DEV >/tmp/bm 2>&1 || fail "$what, afterwards: $(</tmp/bm)"
	vol_close
}

# writer NAME DIR COUNT: COUNT files; what an fsync confirmed goes to the list
writer()
{
	local i f

	for ((i = 1; i <= $3; i++)); do
		f=$VOL_MNT/$2/$1-$i
		if patient dd if=/tmp/base bs=4k skip=$((RANDOM % 128)) count=$((RANDOM % 96 + 1)) \
			of="$f" conv=fsync status=none 2>/dev/null; then
			sha256sum "$f" >>"/tmp/confirmed.$2" 2>/dev/null || true
		fi
	done
}

t_fs()
{
	local how name i w1 w2 rc

	what="a file system"
	say "$what"
	vol_format
	vol_open
	vol_mkfs
	vol_mount
	keyed_dir "$VOL_MNT/alice" "$(key_new alice)"
	mkdir "$VOL_MNT/nokey"
	head -c 1M /dev/urandom >/tmp/base
	: >/tmp/confirmed

	for how in "dm_inocrypt 10" "bio_owner 4" "all 200"; do
		name=${how// /-}
		rm -f /tmp/confirmed.*
		# shellcheck disable=SC2086 # two words
		faults_on $how
		writer "$name" alice $((5 * LONG)) &
		w1=$!
		writer "$name" nokey $((5 * LONG)) &
		w2=$!
		for ((i = 0; i < 4 * LONG; i++)); do
			echo 1 >/proc/sys/vm/drop_caches
			patient inocrypt key add vol -k "$VOL_KEYS/mk.a" >/dev/null 2>&1 || true
			patient find "$VOL_MNT" -type f -exec cat '{}' + >/dev/null 2>&1 || true
		done
		wait $w1 || fail "a writer"
		wait $w2 || fail "a writer"
		patient umount "$VOL_MNT" || fail "$what, $how: umount"
		faults_off
		touch /tmp/confirmed.{alice,nokey}
		# A sum that could not be read is no sum.
		cat /tmp/confirmed.* >/tmp/new
		grep -E '^[0-9a-f]{64}  ' /tmp/new >>/tmp/confirmed || true
		say "  $how: $injected faults, $(wc -l </tmp/new) of $((10 * LONG)) files confirmed"
		vol_close
		vol_open
		vol_mount	# replays the journal
		vol_umount
		inocrypt raw on vol
		rc=0
		e2fsck -fy $VOL_DEV >/tmp/fsck.out 2>&1 || rc=$?
		[ $rc -le 1 ] || { cat /tmp/fsck.out >&2; fail "$what, $how: e2fsck: exit code $rc"; }
		inocrypt raw off vol
		vol_mount
		wipe_caches
		sha256sum --quiet -c /tmp/confirmed >/tmp/sums.out 2>&1 ||
			{ head /tmp/sums.out >&2; fail "$what, $how: confirmed files are not intact"; }
		vol_judge
	done
	[ -s /tmp/confirmed ] || fail "no file was confirmed at all"
	vol_umount
	vol_fsck
	vol_judge
	vol_close
}

modprobe dm-inocrypt
modprobe ext4
vol_setup /run/disks/data /run/disks/side
head -c 32 /dev/urandom >"$VOL_KEYS/mk.a"
for part in ${FAULTS:-calls mount io}; do
	t_$part
done
left=(/dev/mapper/*)
[ "${left[*]}" = /dev/mapper/control ] || fail "devices left: ${left[*]}"
say "done"
