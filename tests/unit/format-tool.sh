#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# format-tool.sh - what of the tool works on image files: format, dump, key id, exit codes.
# Needs neither root nor the kernel modules.
# quick
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$PATH:/usr/sbin:/sbin

make -s -C "$top/userspace"
make -s -C "$top/tests" "$top/build/tests/decrypt_sector" "$top/build/tests/forge"
tool=$top/build/inocrypt
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"

fail() { echo "FAIL: $*" >&2; exit 1; }

# expect RC REGEX ARGS...: run the tool; its exit code and its message.
expect()
{
	local want=$1 regex=$2 rc=0

	shift 2
	"$tool" "$@" >out 2>&1 </dev/null || rc=$?
	[ $rc = "$want" ] || fail "inocrypt $*: exit code $rc, not $want: $(cat out)"
	grep -qE -- "$regex" out || fail "inocrypt $*: no '$regex' in: $(cat out)"
}

# field NAME ARGS...: a value from the superblock's dump.
field()
{
	"$tool" dump -k vk "${@:2}" | awk -v n="$1" '$1 == n { print $2; exit }'
}

# poke FILE BYTE: change a bit.
poke()
{
	local byte

	byte=$(dd if="$1" bs=1 skip="$2" count=1 status=none | od -An -tu1)
	# shellcheck disable=SC2059
	printf "\\x$(printf %x $((byte ^ 16)))" |
		dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

for f in vk mk other; do head -c 32 /dev/urandom >$f; done
head -c 31 vk >short
cat vk mk >long

# Keys and arguments.
truncate -s 64M img
expect 2 "key file short holds less" format img -k short --yes
expect 2 "key file long holds more" format img -k long --yes
expect 2 "key file none: No such file" format img -k none --yes
expect 2 "say --yes" format img -k vk
expect 2 "no passphrase from the standard input" format img --yes
expect 2 "sector size 3000" format img -k vk --yes --sector-size 3000
expect 2 "cipher rot13" format img -k vk --yes --cipher rot13
expect 2 "owners 3" format img -k vk --yes --owners 3
expect 2 "log size 1000" format img -k vk --yes --log-size 1000
expect 2 "no UUID" format img -k vk --yes --uuid 1234
expect 6 "nowhere: No such file" format nowhere -k vk --yes
expect 2 "no command frobnicate" frobnicate
expect 2 "which device" open
expect 0 "Usage" --help
for c in format open close status key policy check dump raw checkpoint anchor; do
	expect 0 "Usage: inocrypt $c" $c --help
done
expect 6 "no inocrypt superblock at 16 MiB of img" dump img -k vk
cmp -n $((64 << 20)) img /dev/zero || fail "a refused format wrote something"

# One device.
expect 0 "^volume  *00112233-4455-6677-8899-aabbccddeeff$" \
	format img -k vk --yes --uuid 00112233-4455-6677-8899-aabbccddeeff
expect 0 "epoch  *2$" dump img -k vk
expect 3 "does not authenticate" dump img -k mk
expect 1 "holds an inocrypt volume already" format img -k vk --yes
expect 2 "img is a file.*losetup" open img name -k vk
expect 0 "reads as zeros" dump img -k vk --record 7
expect 2 "sectors up to" dump img -k vk --record 99999999
expect 0 "used  *false" dump img -k vk --owner 12
expect 2 "owners up to" dump img -k vk --owner 99999999
expect 2 "no node" dump img -k vk --node 1:5000
expect 2 "no node" dump img -k vk --node 9999999999:0
expect 0 "^[0-9a-f]{32}$" key id 00112233445566778899aabbccddeeff -k mk
id=$(cat out)
expect 0 '"uuid": "00112233-4455-6677-8899-aabbccddeeff",' dump img -k vk --json
[ "$id" = "$("$tool" key id 00112233-4455-6677-8899-AABBCCDDEEFF -k - <mk)" ] || fail "key ids differ"
"$top/build/tests/decrypt_sector" vk - 7 img | cmp -n 4096 - /dev/zero || fail "sector 7 isn't zeros"

# A copy that is damaged gives way to the other; both: an error that says so.
poke img $((16 << 20 | 200))
expect 0 "^current_copy  *1$" dump img -k vk
grep -q "does not authenticate" out || fail "the damaged copy isn't reported"
poke img $(((16 << 20) + 32768 + 510))
expect 3 "does not authenticate" dump img -k vk
poke img $((16 << 20 | 200))
expect 0 "^current_copy  *0$" dump img -k vk
poke img $((16 << 20 | 8))
poke img $(((16 << 20) + 32768 + 510))
expect 0 "unknown format version" dump img -k vk
# A copy that is authentic and isn't understood is not passed over, be it the newer one or not.
poke img $((16 << 20 | 8))
cp img good
for c in 0 1; do
	while read -r byte value why; do
		"$top/build/tests/forge" vk img - super $c "$byte" "$value"
		expect 6 "$why, in a superblock that is authentic .copy $c, at byte $((16777216 + c * 32768)).:" dump img -k vk
		expect 6 "$why, in a superblock that is authentic .copy $c, at byte" check img -k vk
		cp good img
	done <<-EOF
	8 2 unknown format version
	12 1 unknown superblock flags
	36 9 unknown cipher
	64 1 unknown superblock flags
	188 2 superblock state of an unknown kind
	400 1 superblock state of an unknown kind
	EOF
	"$top/build/tests/forge" vk img - super $c 40 3
	expect 3 "describe different volumes .at bytes 16777216 and 16809984.; see tool.md" dump img -k vk
	cp good img
	"$top/build/tests/forge" vk img - super $c 160 $((5 + c))
	expect 3 "in the place of the other copy .copy $c, at byte $((16777216 + c * 32768))." dump img -k vk
	cp good img
	"$top/build/tests/forge" vk img - super $c 160 $((4 + c))
	expect 0 "^current_copy  *$c$" dump img -k vk
	cp good img
done
poke img $((16 << 20 | 8))
# Another volume's superblock under the same key, in the second copy's place.
cp img img2
expect 0 . format img2 -k vk --force
dd if=img2 of=img bs=4096 skip=$((4096 + 8)) seek=$((4096 + 8)) count=1 conv=notrunc status=none
poke img $((16 << 20 | 8))
expect 3 "describe different volumes" dump img -k vk
truncate -s 40M img2
expect 6 "smaller than" dump img2 -k vk

# Two devices; what was there before is gone.
truncate -s 8M side
expect 0 "at byte 16777216 of img," format img --sidecar side -k vk --force --cipher aegis128
expect 6 "give --sidecar" dump img -k vk
expect 6 "too small" dump side -k vk
expect 0 "cipher  *aegis128" dump img --sidecar side -k vk
truncate -s 64M side
expect 0 "at byte 16777216 of side" format side --sidecar img -k vk --force
expect 6 "no inocrypt superblock" dump img --sidecar side -k vk
expect 1 "too small" format side --sidecar vk -k vk --yes
ln -s img soft
ln img hard
for f in img ./img soft hard; do
	expect 2 "img and $f are the same" format img --sidecar $f -k vk --force
done
truncate -s 1M tiny
expect 1 "too small" format tiny -k vk --yes
truncate -s 17M tiny
expect 1 "too small" format tiny -k vk --yes
truncate -s 19M tiny
expect 0 "^data" format tiny -k vk --yes --owners 1000

# Other data isn't overwritten without --force, and isn't recognised afterwards.
truncate -s 64M fs
mke2fs -q -F fs
expect 1 "fs holds ext[234] already" format fs -k vk --yes
blkid -p fs >/dev/null || fail "ext2 gone without --force"
expect 0 "^volume" format fs -k vk --force
! blkid -p fs >out || fail "still recognised: $(cat out)"

# Also what is at the very end: a RAID superblock (version 1.0), the backup of a GPT.
/usr/bin/python3 - <<'END'
import struct, zlib
size, blocks = 64 << 20, (64 << 20) // 512
def image(name, places):
    with open(name, "wb") as f:
        f.truncate(size)
        for at, data in places:
            f.seek(at)
            f.write(data)
at = size - 8192
image("raid", [(at, struct.pack("<II", 0xa92b4efc, 1).ljust(144, b"\0") + struct.pack("<Q", at // 512))])
entries = bytes(128 * 128)
def gpt(me, other, table):
    def header(crc):
        return struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, crc, 0, me, other, 34,
                           blocks - 34, b"0123456789abcdef", table, 128, 128, zlib.crc32(entries))
    return header(zlib.crc32(header(0)))
mbr = bytes(446) + struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xee, b"\xff" * 3, 1, blocks - 1) + bytes(48) + b"\x55\xaa"
image("gpt", [(0, mbr), (512, gpt(1, blocks - 1, 2)), (size - 512, gpt(blocks - 1, 1, blocks - 33))])
END
expect 1 "raid holds linux_raid_member already" format raid -k vk --yes
expect 0 "^volume" format raid -k vk --force
cmp -s -i $(((64 << 20) - 8192)):0 -n 4 raid /dev/zero || fail "the RAID superblock at the end is still there"
expect 1 "gpt holds gpt already" format gpt -k vk --yes
expect 0 "^volume" format gpt -k vk --force
cmp -s -i $(((64 << 20) - 512)):0 -n 8 gpt /dev/zero || fail "the backup of the GPT is still there"

# 1 TiB in less than a second.
truncate -s 1T big
start=$(date +%s%N)
expect 0 "^volume" format big -k vk --yes
ms=$((($(date +%s%N) - start) / 1000000))
[ $ms -lt 1000 ] || fail "formatting 1 TiB took $ms ms"
[ "$(du -k big | cut -f1)" -lt 1024 ] || fail "formatting 1 TiB wrote $(du -k big)"

# Owners: as many as mke2fs makes inodes, for devices of any size; the sidecar takes 2.2 % at most,
# log included; 2.8 % where the log is 1/128.
for mib in 24 60 200 511 513 530 700 1024 3000 20000 300000 4000000; do
	rm -f img
	truncate -s ${mib}M img
	expect 0 . format img -k vk --force
	bytes=$(($(field data_sectors img) * $(field sector_size img)))
	owners=$(field owners img)
	truncate -s $bytes img
	inodes=$(mke2fs -n -F -t ext4 img 2>/dev/null | grep -oE '[0-9]+ inodes' | cut -d' ' -f1)
	[ "$owners" -gt "$inodes" ] || fail "$mib MiB: $owners owners, $inodes inodes"
	left=$((mib < 100000 ? 972 : 978))
	[ $mib -lt 3000 ] || [ $((bytes * 1000)) -gt $(((mib - 17) * 1048576 * left)) ] ||
		fail "$mib MiB: $bytes bytes left"
done
echo "format-tool: all pass; 1 TiB formatted in $ms ms"
