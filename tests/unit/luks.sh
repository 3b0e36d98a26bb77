#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# luks.sh - the volume's LUKS2 header, on image files, with the tool under ASan and UBSan:
# passphrases and key files, what cryptsetup does to the header, headers that aren't to be
# trusted, damaged ones, a format that is interrupted at each write, what is left in memory, the
# prompt on a terminal.
# Needs neither root nor the kernel modules.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$PATH:/usr/sbin:/sbin

make -s -C "$top/userspace"
make -s -j2 -C "$top/userspace" OUT="$top/build/tests/asan" \
	CFLAGS="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
make -s -C "$top/tests" "$top/build/tests/onpty" "$top/build/tests/stop_at.so" \
	"$top/build/tests/left_over.so"
plain=$top/build/inocrypt
tool=$top/build/tests/asan/inocrypt
onpty=$top/build/tests/onpty
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"

fail() { echo "FAIL: $*" >&2; exit 1; }

# expect RC REGEX ARGS...: run the tool; its exit code and its message.
expect()
{
	local want=$1 regex=$2 rc=0

	shift 2
	"$tool" "$@" >out 2>&1 <"${STDIN:-/dev/null}" || rc=$?
	[ $rc = "$want" ] || fail "inocrypt $*: exit code $rc, not $want: $(cat out)"
	grep -qE -- "$regex" out || fail "inocrypt $*: no '$regex' in: $(cat out)"
}

cs() { cryptsetup "$@" >cs.out 2>&1 </dev/null || fail "cryptsetup $*: $(cat cs.out)"; }

# poke FILE BYTE: change a bit.
poke()
{
	local byte

	byte=$(dd if="$1" bs=1 skip="$2" count=1 status=none | od -An -tu1)
	# shellcheck disable=SC2059
	printf "\\x$(printf %x $((byte ^ 16)))" |
		dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# edit FILE SED: change both copies of a header as text, and make their checksums right.
edit()
{
	local at

	for at in 0 32768; do
		dd if="$1" of=hdr.bin bs=4096 skip=$((at / 4096)) count=1 status=none
		dd if="$1" bs=4096 skip=$((at / 4096 + 1)) count=7 status=none | tr -d '\0' >hdr.json
		LC_ALL=C sed -e "$2" hdr.json >hdr.new
		! cmp -s hdr.json hdr.new || fail "no such text in the header: $2"
		truncate -s 28672 hdr.new
		dd if=/dev/zero of=hdr.bin bs=1 seek=448 count=64 conv=notrunc status=none
		cat hdr.bin hdr.new | sha256sum | cut -c -64 | tr a-f A-F | basenc -d --base16 >sum
		dd if=sum of=hdr.bin bs=1 seek=448 conv=notrunc status=none
		cat hdr.bin hdr.new | dd of="$1" bs=4096 seek=$((at / 4096)) conv=notrunc status=none
	done
}

kdf=(--pbkdf pbkdf2 --pbkdf-force-iterations 1000)
uuid=00112233-4455-6677-8899-aabbccddeeff
printf 'secret' >pw
printf 'other' >pw2
printf 'secret\n' >line
printf 'secret\nline two\n' >lines
printf 'ABCsecretXYZ' >within
: >empty
head -c 32 /dev/urandom >vk
chmod 600 pw pw2

# Where passphrases come from.
truncate -s 48M img
expect 2 "passphrase is empty|empty passphrase" format img -q "${kdf[@]}" -d empty
expect 2 "no passphrase from the standard input" format img -q "${kdf[@]}"
expect 2 "no passphrase from none" format img -q "${kdf[@]}" -d none
expect 2 "say --yes" format img "${kdf[@]}" -d pw
expect 2 "pbkdf rot13" format img -q --pbkdf rot13 -d pw
expect 2 "too low for argon2id" format img -q --pbkdf-force-iterations 2 -d pw
expect 2 "must not be set with pbkdf2" format img -q "${kdf[@]}" --pbkdf-memory 100 -d pw
expect 2 "refused later on: a key slot asks for too much work" format img -q -d pw \
	--pbkdf-force-iterations 3000 --pbkdf-memory 1048576
expect 2 "label is kept in the header" format img -q -k vk --label x
expect 2 "only one of the key" format img -q -k - -d -
expect 2 "at most|1 to 47" format img -q -d pw --label "$(printf %048d 0)"
cmp -n $((48 << 20)) img /dev/zero || fail "a refused format wrote something"
expect 0 "^header  *LUKS2, 16777216 bytes" format img -q "${kdf[@]}" -d pw --uuid $uuid --label disk
expect 1 "holds an inocrypt volume already" format img -q "${kdf[@]}" -d pw
expect 0 "^uuid  *$uuid" dump img -d pw
expect 0 "clean|nothing" check img -d pw
expect 3 "no key slot opens with this passphrase" dump img -d pw2
expect 3 "no key slot opens" dump img -d line
STDIN=line expect 0 "^uuid" dump img
STDIN=lines expect 0 "^uuid" dump img
STDIN=pw expect 0 "^uuid" dump img
STDIN=pw expect 0 "^uuid" dump img -d -
STDIN=line expect 3 "no key slot" dump img -d -
STDIN=pw2 expect 3 "no key slot" dump img
expect 0 "^uuid" dump img -d within --keyfile-offset 3 --keyfile-size 6
expect 3 "no key slot" dump img -d within -l 6
expect 2 "requested amount of data" dump img -d within -l 60
expect 2 "offset" dump img -d within --keyfile-offset 60
expect 2 "give one of them" dump img -d pw -k vk
truncate -s 8M big
expect 3 "no key slot opens" dump img -d big
printf x >>big
expect 2 "Maximum keyfile size exceeded" dump img -d big
# Cryptsetup opens the same with the same.
for how in "-d pw" "-d within --keyfile-offset 3 --keyfile-size 6"; do
	# shellcheck disable=SC2086
	cs open --test-passphrase $how img
done
cryptsetup open --test-passphrase img <lines >/dev/null 2>&1 || fail "cryptsetup reads a line otherwise"
cryptsetup open --test-passphrase -d - img <pw >/dev/null 2>&1 || fail "cryptsetup reads - otherwise"

# What others see.
[ "$(blkid -p -s TYPE -o value img)" = crypto_LUKS ] || fail "blkid: no crypto_LUKS"
[ "$(blkid -p -s UUID -o value img)" = $uuid ] || fail "blkid: another UUID"
[ "$(blkid -p -s LABEL -o value img)" = disk ] || fail "blkid: another label"
[ "$(blkid -p -s SUBSYSTEM -o value img)" = inocrypt ] || fail "blkid: another subsystem"

# The key itself: with a header, and without.
cp img kept
expect 0 "^header" format img -q -f "${kdf[@]}" -d pw -k vk --uuid $uuid
expect 0 "^uuid" dump img -k vk
expect 0 "^uuid" dump img -d pw
"$plain" dump img -k vk --json >a
"$plain" dump img -d pw --json >b
cmp a b || fail "header and key file give different volumes"
expect 0 "^volume" format img -q -f -k vk --uuid $uuid
cmp -n $((16 << 20)) img /dev/zero || fail "a header without a passphrase, or an old one's rest"
! grep -q '^header' out || fail "tells of a header that isn't there"
expect 6 "made without a header.*luksHeaderRestore" dump img -d pw
expect 0 "^uuid" dump img -k vk

# cryptsetup on the header; each time both of us must agree.
cp kept img
cs luksDump img
grep -q "^UUID:.*$uuid" cs.out || fail "luksDump: $(cat cs.out)"
cs luksHeaderBackup img --header-backup-file backup
cs luksAddKey -d pw "${kdf[@]}" img pw2
expect 0 "^uuid" dump img -d pw
expect 0 "^uuid" dump img -d pw2
printf 'third' >pw3
cs luksChangeKey -q -d pw2 "${kdf[@]}" img pw3
expect 3 "no key slot" dump img -d pw2
expect 0 "^uuid" dump img -d pw3
cs luksKillSlot -q img 0
expect 3 "no key slot" dump img -d pw
expect 0 "clean|nothing" check img -d pw3
cs luksHeaderRestore -q img --header-backup-file backup
expect 0 "^uuid" dump img -d pw
expect 3 "no key slot" dump img -d pw3
cs config img --label renamed
expect 3 "lost its subsystem.* --subsystem inocrypt --label=renamed" dump img -d pw
cs config img --label renamed --subsystem inocrypt
expect 0 "^uuid" dump img -d pw
if command -v systemd-cryptenroll >/dev/null; then
	systemd-cryptenroll --recovery-key --unlock-key-file="$PWD/pw" img >recovery 2>enroll.out ||
		fail "systemd-cryptenroll: $(cat enroll.out)"
	STDIN=recovery expect 0 "^uuid" dump img
	systemd-cryptenroll --wipe-slot=recovery img >/dev/null 2>enroll.out ||
		fail "systemd-cryptenroll: $(cat enroll.out)"
	STDIN=recovery expect 3 "no key slot" dump img
else
	echo "no systemd-cryptenroll here: not tried"
fi
cs luksKillSlot -q img 0
expect 7 "has no key slot" dump img -d pw

# Headers that aren't ours.
cp kept img
cs luksUUID -q --uuid ffeeddcc-4455-6677-8899-aabbccddeeff img
expect 3 "don't belong together.*ffeeddcc-.* of volume $uuid" dump img -d pw
cp kept img
cs config img --subsystem other
expect 6 "ordinary LUKS2 device.*\"other\"" dump img -d pw
truncate -s 48M plain.luks
cs luksFormat -q "${kdf[@]}" plain.luks pw
expect 6 "ordinary LUKS2 device" dump plain.luks -d pw
cs config plain.luks --subsystem inocrypt
expect 3 "data segment is that of a LUKS2 device" dump plain.luks -d pw
cs luksFormat -q --type luks1 --pbkdf-force-iterations 1000 plain.luks pw
expect 6 "no LUKS2 header" dump plain.luks -d pw
# A key slot that every passphrase opens.
refused()
{
	local why=$1 rc=0

	cp kept img
	edit img "$2"
	expect "${3:-3}" "$why" dump img -d pw
	# It is our judgement that refuses it, not the checksum.
	cryptsetup luksDump img >cs.out 2>&1 || rc=$?
	[ $rc = "${4:-0}" ] || fail "cryptsetup luksDump of \"$2\": exit code $rc: $(cat cs.out)"
}
slot='"encryption":"aes-xts-plain64","key_size":32'
refused "null cipher" "s/$slot/\"encryption\":\"cipher_null-ecb\",\"key_size\":32/"
refused "null cipher" "s/$slot/\"encryption\":\"capi:ecb(cipher_null)-plain\",\"key_size\":32/"
refused "cipher isn't aes-xts-plain64" 's/"iv_tweak":"0","encryption":"aes-xts-plain64"/"iv_tweak":"0","encryption":"cipher_null-ecb"/'
refused "cipher isn't" 's/"iv_tweak":"0","encryption":"aes-xts-plain64"/"iv_tweak":"0","encryption":"serpent-xts-plain64"/'
refused "data segment" 's/"offset":"4611686018427387904"/"offset":"16777216"/'
refused "too many iterations" 's/"type":"pbkdf2","hash":"sha256","iterations":1000/"type":"pbkdf2","hash":"sha256","iterations":2147483649/'
refused "too short a key" 's/"key_size":32}/"key_size":8}/'
refused "don't know" 's/"json_size":"28672"/"requirements":{"mandatory":["x"]},"json_size":"28672"/'
mv kept kept.pbkdf2
truncate -s 48M kept
expect 0 "^header" format kept -q -d pw --pbkdf argon2id --pbkdf-memory 32 --pbkdf-parallel 1 \
	--pbkdf-force-iterations 4
expect 0 "^uuid" dump kept -d pw
refused "more than 4 GiB" 's/"memory":32/"memory":4194305/'
refused "too much work" 's/"time":4/"time":100000000/'
refused "too many threads" 's/"cpus":1/"cpus":1000/'
mv kept.pbkdf2 kept
mkfifo fifo
expect 2 "neither a block device nor a regular file" dump fifo -d pw

# Damage: one copy, the other, both. Nothing is written by looking.
cp kept img
poke img 1
cp img damaged
expect 0 "one copy of its LUKS2 header is damaged" dump img -d pw
expect 0 "^uuid" dump img -d pw
expect 0 "clean|nothing" check img -d pw
cmp img damaged || fail "dump or check wrote to the header"
cs repair -q img
expect 0 "^uuid" dump img -d pw
! grep -q damaged out || fail "not repaired: $(cat out)"
poke img 32769
expect 0 "one copy of its LUKS2 header is damaged" dump img -d pw
poke img 1
expect 6 "both copies of it are damaged.*luksHeaderRestore" dump img -d pw
grep -q "there is an inocrypt volume" out || fail "doesn't say that there is a volume: $(cat out)"
cs luksHeaderRestore -q img --header-backup-file backup
expect 0 "^uuid" dump img -d pw
# A backup from before luksChangeKey brings the old passphrase back: as with any LUKS volume.
cs luksChangeKey -q -d pw "${kdf[@]}" img pw2
expect 3 "no key slot" dump img -d pw
cs luksHeaderRestore -q img --header-backup-file backup
expect 0 "^uuid" dump img -d pw

# What others write over a header by mistake: named, with the command that brings it back.
cat >gpt.py <<'END'
# gpt.py FILE: an empty GPT, as partitioning tools write it
import os, struct, sys, uuid, zlib
with open(sys.argv[1], "r+b") as f:
	n = os.path.getsize(sys.argv[1]) // 512
	entries = bytes(128 * 128)
	def header(me, other, at):
		h = struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, me, other, 34, n - 34,
				uuid.uuid4().bytes, at, 128, 128, zlib.crc32(entries))
		return h[:16] + struct.pack("<I", zlib.crc32(h)) + h[20:]
	f.write(bytes(446) + bytes([0, 0, 2, 0, 0xee, 255, 255, 255]) + struct.pack("<II", 1, n - 1) + bytes(48) + b"\x55\xaa")
	f.write(header(1, n - 1, 2).ljust(512, b"\0") + entries)
	f.seek((n - 33) * 512)
	f.write(entries + header(n - 1, 1, n - 33).ljust(512, b"\0"))
END
# helps REGEX FILE: refused with that message, nothing written; the command in it brings it back.
helps()
{
	local regex=$1 f=$2 command

	cp "$f" damaged
	# libcryptsetup leaks some of a header that it doesn't take.
	ASAN_OPTIONS=detect_leaks=0 expect 3 "$regex" dump "$f" -d pw
	cmp "$f" damaged || fail "dump wrote to the header"
	command=$(sed -n 's/.*: \(cryptsetup \|echo \)/\1/p' out | head -n 1)
	[ -n "$command" ] || fail "no command in: $(cat out)"
	bash -c "${command/cryptsetup/cryptsetup -q}" >cs.out 2>&1 </dev/null ||
		grep -q "device .* is too small" cs.out || fail "$command: $(cat cs.out)"
	expect 0 "^uuid" dump "$f" -d pw
}
cp kept img
python3 gpt.py img
helps "another signature .* lies over one copy.*cryptsetup repair img" img
! grep -q damaged out || fail "not repaired: $(cat out)"
name="a disk's \$(id) image"
cp kept "$name"
wipefs -qa "$name"
helps "magic of its LUKS2 header was wiped" "$name"
cp kept img
chmod 600 img
mkswap img >cs.out 2>&1 || fail "mkswap: $(cat cs.out)"
helps "first copy of its LUKS2 header was overwritten and the magic of the second one wiped" img
# Nothing there that could be brought back.
cp kept img
for at in 0 32768; do printf 'a header no more' | dd of=img bs=1 seek=$((at + 4)) conv=notrunc status=none; done
expect 6 "has no LUKS2 header, or both copies" dump img -d pw
# Slots that don't count.
cp kept img
cs config img --key-slot 0 --priority ignore
expect 7 "all key slots .* \"ignore\".*cryptsetup config img --key-slot 0 --priority normal" dump img -d pw
cs config img --key-slot 0 --priority normal
cs luksAddKey -d pw "${kdf[@]}" img pw2
cs config img --key-slot 1 --priority ignore
expect 3 "no key slot opens .*1 with the priority \"ignore\".*cryptsetup config img --key-slot 1 --priority normal" dump img -d pw2
cs config img --key-slot 1 --priority prefer
expect 0 "^uuid" dump img -d pw2
cs luksAddKey -q --unbound --key-size 256 "${kdf[@]}" --key-slot 5 img pw3
helps "key slot 5 is unbound.*cryptsetup luksKillSlot img 5" img
cs luksAddKey -q --unbound --key-size 512 "${kdf[@]}" --key-slot 6 img pw3
helps "key slot 6 is unbound.*cryptsetup luksKillSlot img 6" img
# A backup whose first copy is damaged: named as such, and good for restoring all the same.
cp kept img
rm -f backup2
cs luksHeaderBackup img --header-backup-file backup2
chmod 600 backup2
poke backup2 4200
expect 6 "too small for a volume" dump backup2 -d pw
grep -q "backup2: one copy of its LUKS2 header is damaged; mend it: cryptsetup repair backup2" out || fail "a damaged backup: $(cat out)"
[ "$(grep -c "one copy" out)" = 1 ] || fail "says it more than once: $(cat out)"
dd if=/dev/zero of=img bs=1M count=16 conv=notrunc status=none
expect 6 "luksHeaderRestore" dump img -d pw
cs luksHeaderRestore -q img --header-backup-file backup2
expect 0 "^uuid" dump img -d pw
cs repair -q backup2
expect 6 "too small for a volume" dump backup2 -d pw
! grep -q damaged out || fail "not repaired: $(cat out)"

# A sidecar of another volume.
truncate -s 8M side side2
truncate -s 32M two two2
expect 0 "^header" format two --sidecar side -q -f "${kdf[@]}" -d pw
expect 0 "^header" format two2 --sidecar side2 -q -f "${kdf[@]}" -d pw
expect 0 "^uuid" dump two --sidecar side -d pw
expect 3 "don't belong together.* on two is .* on side2" dump two --sidecar side2 -d pw
expect 3 "don't belong together" check two2 --sidecar side -d pw
# The same UUID, another key: the superblock doesn't authenticate.
expect 0 "^header" format two2 --sidecar side2 -q -f "${kdf[@]}" -d pw \
	--uuid "$("$plain" dump two --sidecar side -d pw | awk '$1 == "uuid" { print $2 }')"
expect 3 "does not authenticate" dump two --sidecar side2 -d pw

# An interrupted format, at each change and flush: the old volume as it was, or nothing; the
# new one as it will be, or nothing.
truncate -s 20M old
"$plain" format old -q -f "${kdf[@]}" -d pw -k vk --owners 100 --uuid $uuid >/dev/null
stops=0 old_there=0 new_there=0
for ((n = 1; ; n++)); do
	cp --sparse=always old img
	rc=0
	LD_PRELOAD=$top/build/tests/stop_at.so STOP_FILE=img STOP_AT=$n \
		"$plain" format img -q -f "${kdf[@]}" -d pw2 --owners 100 >out 2>&1 || rc=$?
	[ $rc = 0 ] || [ $rc = 99 ] || fail "format: $(cat out)"
	for how in "-d pw" "-k vk"; do
		# shellcheck disable=SC2086
		if "$plain" dump img $how >out 2>&1; then
			cmp -s img old || { "$plain" check img $how >out 2>&1 &&
				[ "$how" = "-k vk" ]; } ||
				fail "stopped before change $n: the old volume opens with $how"
			old_there=$n
		fi
	done
	if "$plain" dump img -d pw2 >out 2>&1; then
		"$plain" check img -d pw2 >out 2>&1 || fail "stopped before change $n: $(cat out)"
		[ $new_there != 0 ] || new_there=$n
	fi
	[ $rc = 99 ] || break
	stops=$n
done
[ $stops -ge 20 ] || fail "only $stops changes were counted"
if [ $old_there = 0 ] || [ $new_there -le $old_there ] || [ $new_there = $((stops + 2)) ]; then
	fail "the old volume was there up to change $old_there, the new one from $new_there on"
fi

# When the tool ends, neither the volume key nor the passphrase is in its memory any more.
printf 'a long passphrase that nobody guesses' >long
for s in vk long; do
	inverted=$(od -An -v -tx1 $s | tr -d ' \n' | tr 0123456789abcdef fedcba9876543210)
	for c in "format img -q -f ${kdf[*]} -d long -k vk --owners 100" "dump img -k vk" "dump img -d long" \
		"dump img" "check img -d long"; do
		# shellcheck disable=SC2086
		LEFT_OVER=$inverted LD_PRELOAD=$top/build/tests/left_over.so "$plain" $c <long >out 2>&1 ||
			fail "$s, inocrypt $c: $(cat out)"
	done
done

# The terminal: asks twice for a new one, three times for a wrong one, never echoes, and is
# as it was after a signal, too.
pty() # RC REGEX [PROMPT ANSWER]... -- COMMAND...
{
	local want=$1 regex=$2 rc=0

	shift 2
	"$onpty" "$@" >out 2>&1 || rc=$?
	[ $rc = "$want" ] || fail "on a terminal: exit code $rc, not $want: $(cat out)"
	grep -qE -- "$regex" out || fail "on a terminal: no '$regex' in: $(cat out)"
	! grep -q secret out || fail "the terminal shows a passphrase: $(cat out)"
}
p="Passphrase for img: "
cp kept img
pty 0 "^volume" "New passphrase for img: " secret "The same again: " secret -- \
	"$tool" format img -f "${kdf[@]}"
pty 2 "the passphrases differ" "New passphrase" secret "same again" secret2 -- "$tool" format img -f "${kdf[@]}"
pty 2 "empty passphrase" "New passphrase" "" -- "$tool" format img -f "${kdf[@]}"
pty 0 "^uuid" "$p" secret -- "$tool" dump img
pty 0 "^uuid" "$p" secret -- "$tool" dump img -d -
pty 0 "^uuid" "$p" wrong "$p" "" "$p" secret -- "$tool" dump img
pty 3 "no key slot" "$p" wrong "$p" wrong "$p" wrong -- "$tool" dump img
pty 3 "no key slot" "$p" wrong -- "$tool" dump img --tries 1
pty 2 "longer than 512" "$p" "$(printf %0513d 0)" -- "$tool" dump img
pty 3 "no key slot" "$p" "$(printf %0512d 0)" -- "$tool" dump img --tries 1
pty 1 "no passphrase" "$p" ^D -- "$tool" dump img
pty 130 "$p" "$p" ^C -- "$tool" dump img
# shellcheck disable=SC2016
pty 0 "^uuid" "$p" ^Z "$p" secret -- "$tool" dump img

echo "luks: all pass; $stops interrupted formats"
