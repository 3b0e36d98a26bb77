#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Every way of reading and writing a file of ext4 carries the owner's tag, with blocks of
# 1024, 2048 and 4096 bytes, and through a dm-linear that splits the bios.
# vm: --disk d:256M --timeout 1200
set -euo pipefail
# shellcheck source=tests/vm/ext4.inc
. "$INOCRYPT_TOP/tests/vm/ext4.inc"

# tagged r|w LINE...: these operations are all tagged, and there is at least one bio of them.
tagged()
{
	local c=read_tagged before

	[ "$1" = r ] || c=write_tagged
	shift
	ops <<<"ok drop"
	before=$(counter $c)
	printf '%s\n' "$@" | ops
	[ "$(counter $c)" -gt "$before" ] || fail "$what: no $c by: $1"
}

paths()
{
	# Writes, each read back from the device in each way.
	tagged w "ok write a/buf 1 0 300000" "ok fsync a/buf"
	tagged r "ok check a/buf 1 0 300000"
	tagged r "ok dcheck a/buf 1 0 299008"
	tagged r "ok acheck a/buf 1 4096 65536"
	tagged r "ok mcheck a/buf 1 12345 200000"
	tagged w "ok dwrite a/dio 2 0 1m"
	tagged r "ok check a/dio 2 0 1m"
	tagged w "ok awrite a/aio 3 0 128k"
	tagged r "ok check a/aio 3 0 128k"
	tagged w "ok falloc a/map 0 256k" "ok mwrite a/map 4 5000 200000" "ok fsync a/map"
	tagged r "ok check a/map 4 5000 200000" "ok check a/map - 0 5000" \
		"ok check a/map - 205000 57144"

	# Blocks that are read in order to be written in part.
	tagged r "ok write a/buf 5 10 20" "ok write a/buf 5 100001 3000"
	tagged r "ok check a/buf 1 0 10" "ok check a/buf 5 10 20" "ok check a/buf 1 30 99971" \
		"ok check a/buf 5 100001 3000" "ok check a/buf 1 103001 196999"
	tagged r "ok write a/buf 6 299990 5000"
	tagged r "ok check a/buf 1 103001 196989" "ok check a/buf 6 299990 5000"
	tagged w "ok mwrite a/buf 7 150000 1" "ok fsync a/buf"
	tagged r "ok check a/buf 7 150000 1"

	# Blocks that are zeroed in part.
	tagged r "ok truncate a/buf 200001" "ok truncate a/buf 210000"
	tagged r "ok check a/buf 1 150001 50000" "ok check a/buf - 200001 9999"
	tagged r "ok punch a/dio 100001 300000"
	tagged r "ok check a/dio 2 0 100001" "ok check a/dio - 100001 300000" \
		"ok check a/dio 2 400001 600000"
	tagged r "ok zero a/dio 500001 100001"
	tagged r "ok check a/dio 2 400001 100000" "ok check a/dio - 500001 100001" \
		"ok check a/dio 2 600002 400000"
	ops <<-END
		ok collapse a/aio 16k 32k
		ok insert a/aio 64k 16k
		ok drop
		ok check a/aio 3 0 16k
		ok check a/aio 3 16k 48k 32k
		ok check a/aio - 64k 16k
		ok check a/aio 3 80k 32k 16k
	END

	# Unwritten extents that are converted by zeroing (small ones are), and pieces.
	ops <<-END
		ok falloc a/zero 0 32k
		ok write a/zero 8 8k 1000
		ok dwrite a/zero 9 20k 4k
		ok drop
		ok check a/zero - 0 8k
		ok check a/zero 8 8k 1000
		ok check a/zero - 9192 11288
		ok check a/zero 9 20k 4k
		ok check a/zero - 24k 8k
	END

	# A page whose blocks are in pieces and holes: read block by block.
	[ "$bs" = 4096 ] || tagged r "ok dwrite a/frag 10 0 64k" \
		"ok punch a/frag $bs $bs" "ok punch a/frag 8k $bs" "ok drop" \
		"ok check a/frag 10 0 $bs" "ok check a/frag - $bs $bs" \
		"ok check a/frag - 8k $bs" "ok check a/frag 10 $((8192 + bs)) 2048"
	# One that has a dirty block in memory when the rest is read.
	ops <<-END
		ok dwrite a/part 11 0 64k
		ok drop
		ok write a/part 12 4k $bs
		ok check a/part 11 0 4k
		ok check a/part 12 4k $bs
		ok check a/part 11 $((4096 + bs)) 20000
		ok drop
		ok check a/part 12 4k $bs
	END

	# From huge pages, so that a bio has more sectors than tags fit into a payload.
	tagged w "ok dwrite a/big 13 0 20m"
	tagged r "ok check a/big 13 0 20m"
	tagged r "ok dcheck a/big 13 0 20m"
}

# one BLOCK_SIZE SECTOR_SIZE linear|plain MKFS_OPTS...
one()
{
	local before

	bs=$1
	what="blocks of $1, sectors of $2, $3, ${*:4}"
	start "$2" "$3"
	mkfs.ext4 -q -F -b "$1" "${@:4}" "$DEV"
	do_mount ${opts:+-o "$opts"}
	[ "$(counter bound)" = 1 ] || fail "$what: not bound"
	ops <<-END
		ok mkdir a
		ok mkdir b
		ok mkdir n
		ok setpolicy a $K1
		ok setpolicy b $K2
	END
	paths

	# The same on unkeyed files: not a tag.
	before=$(counter write_tagged)
	ops <<-END
		ok write n/buf 1 0 300000
		ok dwrite n/dio 2 0 1m
		ok write b/other 3 0 100000
		ok unlink b/other
		ok drop
		ok check n/buf 1 0 300000
		ok check n/dio 2 0 1m
		ok write n/buf 4 1000 10
	END
	[ "$(counter write_tagged)" = "$before" ] || fail "$what: an unkeyed file's bio was tagged"

	# Sustained, random, checked against a model.  In data=journal mode, 6.1 loses what
	# was written by mmap when a range is inserted; owned files aren't in that mode.
	dirs=(--dir "$MNT/a" --dir "$MNT/b")
	[ "$opts" = data=journal ] || dirs+=(--dir "$MNT/n")
	exerciser "${dirs[@]}" --ops 400 --procs 2 --phases 2 \
		--max-file-size 512K --max-io 128K --seed "$bs$2" >/tmp/exerciser.out 2>&1 || {
		tail -n 20 /tmp/exerciser.out >&2
		fail "$what: exerciser"
	}
	judge
	umount $MNT
	[ "$(counter bound)" = 0 ] || fail "$what: still bound"
	[ "$(counter nokey)" = 0 ] || fail "$what: I/O without the key"
	clean
	echo "[$SECONDS s] $what: ok ($(counter read_tagged) reads and $(counter write_tagged) writes tagged)"
	stop
}

echo 24 >/proc/sys/vm/nr_hugepages

opts="" one 4096 4096 plain
opts="" one 1024 512 linear
opts=data=journal one 2048 2048 plain
opts=nodelalloc,dioread_lock one 4096 512 linear
opts=nodiscard one 1024 1024 plain -O ^has_journal,inline_data -I 256

# Files mapped by blocks instead of extents.
bs=4096 what="block-mapped files"
start 4096
mkfs.ext4 -q -F -O ^extents,^64bit $DEV
do_mount
ops <<<"ok mkdir a"
ops <<<"ok setpolicy a $K1"
tagged w "ok write a/f 1 0 1m" "ok fsync a/f"
tagged r "ok check a/f 1 0 1m"
tagged w "ok dwrite a/f 2 64k 64k"
tagged r "ok dcheck a/f 2 64k 64k"
tagged r "ok truncate a/f 100001" "ok truncate a/f 1m"
tagged r "ok check a/f 2 64k 34465" "ok check a/f - 100001 100000"
judge
umount $MNT
clean
stop
echo "[$SECONDS s] $what: ok"
