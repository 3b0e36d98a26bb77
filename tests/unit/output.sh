#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# output.sh - whatever devices, files and users are called, nothing of it comes out raw: not in
# results, in JSON, in messages, in questions; commands in messages are quoted for a shell; what
# can't be written is an error. With the tool under ASan and UBSan, on image files.
# timeout: 900
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$PATH:/usr/sbin:/sbin

make -s -j2 -C "$top/userspace" OUT="$top/build/tests/asan" \
	CFLAGS="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
make -s -C "$top/tests" "$top/build/tests/onpty"
tool=$top/build/tests/asan/inocrypt
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
fail() { echo "FAIL: $*" >&2; exit 1; }

# No other way out: what prints by itself is known by name.
cd "$top/userspace"
grep -nE '\b(v?f?printf|dprintf|puts|f?putc|putchar|fputs|fwrite|perror|argp_error|v?(warn|err)x?)\(' ./*/*.c |
	grep -vE '^\./(base/(say|progress|out)|cmd/main|pam/(pam_inocrypt|run|sessions|sweep))\.c:|\bwarn\(|(fputs|fprintf)\(.*\bout\b|rotate_box.*dprintf' >"$tmp/raw" || true
[ ! -s "$tmp/raw" ] || fail "prints without say.c: $(cat "$tmp/raw")"
# Nor has anything an archive's host in it: packages come from where the system gets them.
cd "$top"
! grep -rnIE --exclude-dir={.git,build,results} --exclude=LICENSE '(deb|ftp|security|snapshot|archive|cdn|mirrors?|pypi|registry|proxy)\.[a-z0-9.-]+\.(org|com|net|io)' . ||
	fail "a package archive's host"
cd "$tmp"

cat >judge.py <<'END'
# judge.py ASCII|UTF-8: is standard input fit for a terminal?
import sys, unicodedata
b = sys.stdin.buffer.read()
try:
	t = b.decode("ascii" if sys.argv[1] == "ASCII" else "utf-8")
except UnicodeDecodeError as e:
	sys.exit(f"raw bytes: {e}")
bad = [c for c in t if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
if bad:
	sys.exit(f"raw: {bad!r} in {t!r}")
END
cat >named.py <<'END'
# Is it JSON, in ASCII, and is the name in it (as docs/tool.md says) the file's?
import json, re, sys, os
b = sys.stdin.buffer.read()
o = json.loads(b.decode("ascii"))
want = os.fsencode(sys.argv[1])
def name(s):
	return re.sub(rb"\\([0-7]{3})", lambda m: bytes([int(m[1], 8)]), s.encode())
def strings(x):
	if isinstance(x, dict): x = list(x.values())
	if isinstance(x, list):
		for y in x: yield from strings(y)
	elif isinstance(x, str): yield x
if not any(name(s).endswith(want) for s in strings(o)):
	sys.exit(f"{want!r} isn't in {list(strings(o))!r}")
END

# Run the tool; what it says is judged in the end, but for its lines.
run() # RC|- LINES|- ARGS...
{
	local want=$1 lines=$2 rc l

	shift 2
	for l in C C.UTF-8; do
		rc=0
		LC_ALL=$l "$tool" "$@" >out 2>&1 </dev/null || rc=$?
		[ "$want" = - ] || [ $rc = "$want" ] || fail "inocrypt $(printf '%q ' "$@"): exit code $rc, not $want: $(cat -v out)"
		cat out >>"all.$l"
		[ "$lines" = - ] || [ "$(wc -l <out)" = "$lines" ] || fail "other than $lines lines: $(cat -v out)"
	done
}

head -c 32 /dev/urandom >vk
kdf=(--pbkdf pbkdf2 --pbkdf-force-iterations 1000)
printf pw >pw
names=($'e\e]0;title\a\e[2Jx' $'csi\xc2\x9b2Jx' $'bad\xff\xc3utf' $'two\nlines' $'q\'u"o$(id)`id`te' 'back\033\\slash\'
	$'rtl\xe2\x80\xaetxt' $'del\x7f' 'Zoë' 'a b;c&d')
for n in "${names[@]}"; do
	truncate -s 20M "$n"
	run 1 1 dump "$n/x" -k vk
	run 6 1 dump "$n" -k vk
	run 6 1 dump "$n.none" -k vk
	run 0 5 format "$n" -q -f "${kdf[@]}" -d pw -k vk --owners 100 --label "${n:0:40}"
	run 1 1 format "$n" -q -k vk
	run 0 - check "$n" -k vk
	run 0 - dump "$n" -k vk
	run 0 - dump "$n" -k vk --owner 3
	# A superblock copy that isn't one: a finding with a place, on that device.
	printf "something else" | dd of="$n" bs=1 seek=$((16777216 + 8 * 4096 + 200)) conv=notrunc status=none
	run 8 - check "$n" -k vk
	"$tool" check "$n" -k vk --json >out || true
	python3 named.py "$n" <out || fail "check --json of $(printf %q "$n"): $(cat -v out)"
	# Names in arguments of other kinds.
	run 2 1 dump vk -k "$n.nokey"
	run 2 - format vk --cipher "$n"
	run 2 - format vk --uuid "$n"
	run 2 - dump vk --record "$n"
	run 2 - dump vk "--$n"
	run 2 - "$n"
	run 2 - key "$n"
	run 2 - policy get . "$n"
	run 6 - policy report "$n"
	run 1 - policy get "$n"
	run 6 - key list --mount "$n"
	run 6 1 key list --mount "$n.none"
	run - 1 status "$n"
	run 11 1 anchor show "./$n"
	run 1 1 erase "$n"
	# The question on a terminal.
	rc=0
	"$top/build/tests/onpty" "Passphrase for " pw -- env LC_ALL=C "$tool" dump "$n" >out 2>&1 || rc=$?
	[ $rc = 0 ] || fail "on a terminal: $rc $(cat -v out)"
	tr -d '\r' <out >>all.C
	# Names of volumes: as inocrypttab takes them.
	run 2 - open "$n" "$n"
done
for n in -x .x 'a b' a/b '' "$(printf %0101d 0)" control; do
	run 2 - open img -- "$n"
	! grep -q "No such file" out || fail "open looks at the device before the name: $(cat out)"
done

# A command in a message, pasted into a shell, has the same words.
pasted() # COMMAND-REGEX WORD...
{
	local command

	command=$(grep -o -E "$1" out | head -n 1)
	[ -n "$command" ] || fail "no '$1': $(cat -v out)"
	shift
	bash -c "set -- $command; printf '%s\\0' \"\$@\"" >words
	printf '%s\0' "$@" | cmp - words || fail "pasted: $(cat -v words)"
}
for n in "${names[@]}"; do
	cryptsetup config "$n" --label "${n:0:40}" >/dev/null 2>&1 || fail "cryptsetup config"
	run 3 - dump "$n" -d pw
	pasted "cryptsetup config .* --label=.*" cryptsetup config "$n" --subsystem inocrypt "--label=${n:0:40}"
	cryptsetup config "$n" --subsystem inocrypt --label x
	run 2 - open "$n" vault -k vk --anchor none
	pasted "losetup --find --show .*" losetup --find --show "$n"
done

python3 judge.py ASCII <all.C || fail "shown where there is ASCII only"
python3 judge.py UTF-8 <all.C.UTF-8 || fail "shown where there is UTF-8"
grep -q Zoë all.C.UTF-8 || fail "what can be shown isn't"

truncate -s 20M ./-dash
run 0 - format -q -f "${kdf[@]}" -d pw --owners 100 -- -dash
run 2 - open -k vk --anchor none -- -dash vault
pasted "losetup --find --show .*" losetup --find --show ./-dash

# What can't be written: a full disk, a closed output.
n=Zoë
full()
{
	rc=0
	"$tool" "$@" >/dev/full 2>out || rc=$?
	[ $rc = 1 ] || fail "inocrypt $* on a full disk: exit code $rc"
	grep -q "can't write all of the output: No space left" out || fail "inocrypt $*: $(cat out)"
}
full --help
full dump --help
full key --help
full dump "$n" -k vk
full dump "$n" -k vk --json
full dump "$n" -k vk --node 0:0
full key id "$(printf %032d 0)" -k vk
rc=0
"$tool" check "$n" -k vk --json >/dev/full 2>out || rc=$?
[ $rc = 8 ] || fail "check on a full disk: exit code $rc: $(cat out)"
rc=0
"$tool" dump "$n" -k vk >&- 2>out || rc=$?
[ $rc = 1 ] || fail "without an output: exit code $rc: $(cat out)"
# The image mustn't become the output.
truncate -s 20M fresh other
for fds in ">&-" "2>&-" "<&- >&- 2>&-"; do
	eval "\"$tool\" format fresh -q -f -k vk --owners 100 --uuid 00112233-4455-6677-8899-aabbccddeeff $fds" || true
	"$tool" check fresh -k vk >out 2>&1 || fail "format $fds: $(cat out)"
	cmp -n $((16 << 20)) fresh /dev/zero || fail "format $fds wrote its words to the device"
done
echo "output: fine"
