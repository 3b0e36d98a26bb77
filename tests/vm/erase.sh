#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What is deleted is gone: with every key in hand, and any 16 bytes that can be decrypted on the
# raw images tried as its salt, nobody reads it; before, the same program does. By rm and sync,
# inocrypt erase, rename over it, O_TMPFILE, over a crash, with its inode number used again.
# The disks have volatile caches; an image has what is safe from a power cut, all else is lost.
# vm: --disk data:160M:lossy --disk side:8M:lossy --timeout 400 --host-calls --mem 640
set -euo pipefail

if [ -n "${VM_ON_HOST:-}" ]; then
	# take NAME: the disks as they are; attack KNOWN ATTACKED INODE...; results
	cd "$VM_DUMPS"
	keys=$VM_RESULTS/keys
	case $1 in
	take)
		mkdir -p "$2"
		cp --reflink=never --sparse=always "$VM_DISKS"/{data,side}.img "$2";;
	attack)
		# In the background, one after the other, so that the VM can go on.
		(
			flock 9
			t=${EPOCHREALTIME/./}
			timeout 120 recover-erased "$keys/volume" "$keys/mk.alice,$keys/mk.bob" "${@:3}" >"out.$2" 2>&1 ||
				echo "recover-erased fails" >>"out.$2"
			echo "$(((${EPOCHREALTIME/./} - t) / 1000)) ms" >>"out.$2"
		) 9>attack.lock >/dev/null 2>&1 &;;
	results)
		exec 9>attack.lock
		flock 9
		for f in out.*; do
			sed "s/^/${f#out.}: /" "$f"
		done;;
	esac
	exit
fi

# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"
M=/mnt/vol
ino() { stat -c %i "$1"; }
# make FILE KIB: random, on the disk
make()
{
	dd if=/dev/urandom of="$1" bs=1k count="$2" iflag=fullblock conv=fsync status=none
}
# known NAME INODE...: the disks while the files are there, the tree having all that the log has
known()
{
	inocrypt checkpoint vol >/dev/null
	vm-host take "$1"
}
# gone NAME KNOWN INODE...: the disks after a sync, nothing of these files can be read
expect=/results/expect
gone()
{
	vm-host take "$1"
	vm-host attack "$1" "$2" "$1" "${@:3}"
	echo "$1 gone" >>$expect
}
there()
{
	vm-host attack "$1" "$2" "$1" "${@:3}"
	echo "$1 there" >>$expect
}
ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

case $VM_STAGE in
0)
	vol_setup /run/disks/data /run/disks/side
	vol_format --owners 4096 --log-size 512K
	vol_open
	vol_mkfs -b 4096 -N 2048
	vol_mount
	keyed_dir $M/a "$(key_new alice)"
	keyed_dir $M/b "$(key_new bob)"
	cp -r "$VOL_KEYS" /results/keys
	make $M/a/live 64
	make $M/b/live 64

	say "rm and sync, small and large"
	make $M/a/small 4
	s=$(ino $M/a/small)
	sync -f $M
	vm-host take logged
	known known
	there logged known "$s"
	there known known "$s"
	t=$(ms)
	rm $M/a/small
	sync -f $M
	small=$(($(ms) - t))
	gone small known "$s"
	make $M/a/big 16384
	b=$(ino $M/a/big)
	sync -f $M
	known known1
	there known1 known1 "$b"
	t=$(ms)
	inocrypt erase $M/a/big || fail "inocrypt erase"
	big=$(($(ms) - t))
	[ ! -e $M/a/big ] || fail "inocrypt erase leaves the file"
	gone big known1 "$b"
	say "rm and sync took $small ms for 4 KiB, inocrypt erase $big ms for 16 MiB"

	say "renamed over; never had a name; its number used again"
	coproc MARKER { exec marker; }
	make $M/b/over 16
	make $M/a/again 16
	echo "ok tmp 1 $M/b 77 16" >&"${MARKER[1]}"
	read -r line <&"${MARKER[0]}"
	[ "$line" = ok ] || fail "O_TMPFILE: $line"
	t=""
	for f in "/proc/$MARKER_PID/fd"/*; do
		[[ $(readlink "$f") != $M/b/* ]] || t=$(stat -L -c %i "$f")
	done
	o=$(ino $M/b/over) a=$(ino $M/a/again)
	sync -f $M
	known known2
	make $M/b/new 16
	mv -f $M/b/new $M/b/over
	echo "ok drop 1 x" >&"${MARKER[1]}"
	read -r line <&"${MARKER[0]}"
	rm $M/a/again
	# As soon as its deletion has committed.
	for ((i = 0; i < 50; i++)); do
		: >$M/a/again$i
		sync $M/a/again$i
		[ "$(ino $M/a/again$i)" != "$a" ] || break
	done
	[ $i -lt 50 ] || fail "inode number $a isn't used again"
	make $M/a/again$i 16
	sync -f $M
	gone others known2 "$o" "$t" "$a"

	say "deleted, then the power goes"
	make $M/a/crash 16
	make $M/b/crash 4096
	echo "$(ino $M/a/crash) $(ino $M/b/crash)" >/results/inodes
	sync -f $M
	known known3
	rm $M/a/crash $M/b/crash
	sync $M/a
	sync -f $M &
	vm-powercut;;
1)
	cp -r /results/keys /tmp/keys.vol
	vol_setup /run/disks/data /run/disks/side
	vol_open
	vol_mount
	# Deleted as far as it got; the rest now.
	rm -f $M/a/crash $M/b/crash
	sync -f $M
	read -r c d </results/inodes
	gone crash known3 "$c" "$d"
	say "the power went when files were deleted, then sync"

	# A forget that never came: the number has another generation now.
	make $M/b/gen 16
	g=$(ino $M/b/gen)
	sync -f $M
	known known4
	vol_umount
	inocrypt raw on vol
	debugfs -w -R "set_inode_field b/gen generation 4711" "$VOL_DEV" >/tmp/out 2>&1 || fail "debugfs: $(</tmp/out)"
	inocrypt raw off vol
	vol_mount
	dd if=/dev/urandom of=$M/b/gen bs=4k count=1 conv=notrunc status=none
	sync -f $M
	[ "$(vol_status owners_replaced)" = 1 ] || fail "no owner was replaced"
	gone replaced known4 "$g"
	say "an owner replaced by one of another generation"
	vol_umount
	vol_close

	vm-host results >/tmp/results
	bad=""
	while read -r name what; do
		grep "^$name: .* windows" /tmp/results || bad=1
		while read -r line; do
			if ! [[ $line =~ :\ ([0-9]+)\ of\ ([0-9]+)\ sectors ]]; then
				bad=1
				continue
			fi
			case $what in
			gone)	[ "${BASH_REMATCH[1]}" = 0 ] || bad=1;;
			there)	[ "${BASH_REMATCH[1]}" = "${BASH_REMATCH[2]}" ] || bad=1;;
			esac
			echo "$line, should be $what"
		done < <(grep "^$name: inode" /tmp/results || echo none)
		grep "^$name: .* ms" /tmp/results
	done <$expect
	[ -z "$bad" ] || { cat /tmp/results; fail "see above"; }
	say "nothing that was deleted can be recovered";;
esac
