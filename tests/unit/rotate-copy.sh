#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# rotate-copy.sh - the copying of "inocrypt key rotate", under ASan and UBSan, with policies
# kept in a file (tests/unit/rotate/policy.c). It is killed at every call that changes something,
# and run again; others change the tree at every such call, and nothing they did may be lost.
# alone
# timeout: 240
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
src=$top/tests/unit/rotate
tool=$top/build/tests/unit/rotate

wraps=""
while read -r f; do wraps+=" -Wl,--wrap=$f"; done < <(sed -n 's/.* __real_\([a-z0-9]*\)(.*/\1/p' "$src/wraps.h")
mkdir -p "$top/build/tests/unit"
# shellcheck disable=SC2046,SC2086 # several words
gcc -std=c11 -O1 -g -Wall -Wextra -Werror -Wshadow -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
	-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
	-I"$top/userspace" -I"$top/shared" -I"$top/ext4-hooks/include" \
	$(pkg-config --cflags json-c devmapper libcrypto) $wraps -o "$tool" "$src"/*.c \
	"$top"/userspace/rotate/rotate_{file,box,tree,drain,loose,walk}.c \
	"$top"/userspace/kernel/modules.c "$top"/userspace/base/{progress,say,shown,parse}.c

tmp=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d)
cleanup() { chmod -R u+rwX "$tmp" 2>/dev/null || true; rm -rf "$tmp"; }
trap cleanup EXIT
cd "$tmp"
export ROTATE_DB=$tmp/db ASAN_OPTIONS=detect_leaks=1
root=""
[ "$(id -u)" != 0 ] || root=1

fail() { echo "FAIL: ${what:-}: $*" >&2; [ ! -s out ] || sed 's/^/  | /' out >&2; exit 1; }

# listing DIR: a digest of all that shall stay as it is. more DIR: what tar doesn't tell.
listing()
{
	tar --format=posix --sort=name --xattrs --xattrs-include='*' --acls --numeric-owner \
		--pax-option=exthdr.name=%d/x/%f,delete=atime,delete=ctime -C "$1" -cf - . | sha256sum
}
more() { (cd "$1" && find . -not -type d -printf '%n %b %p\n' | sort -k 3); }

# fresh FROM: m/ is a copy of FROM; m/tree is under the old key.
fresh()
{
	[ -n "$root" ] || [ ! -e m ] || chmod -R u+rwx m
	rm -rf m db
	cp -a "$1" m
	stat -c '%i o' m/tree >db
}

# run RC [ARGUMENTS]: rotate m.
run()
{
	local want=$1 rc=0

	shift
	"$tool" m "$@" >out 2>&1 || rc=$?
	[ $rc = "$want" ] || fail "exit code $rc, not $want"
}

under_new()
{
	[[ $(<db) == *"$(stat -c %i m/tree) n"* ]] || fail "the tree isn't under the new key"
	[ -z "$(find m -name '.inocrypt-rotate*' -print -quit)" ] || fail "something is left: $(ls -A m)"
}

# --- a tree with a bit of everything
mkdir -p base/tree/a/b/c base/tree/empty base/tree/ro base/tree/-dash "base/tree/$(printf 'new\nline')"
(
	cd base/tree
	head -c 300000 /dev/urandom >a/data
	truncate -s 3M a/sparse
	printf end >>a/sparse
	printf x | dd of=a/sparse bs=1 seek=1500000 conv=notrunc status=none
	: >a/b/nothing
	echo text >"a/b/c/ space "
	echo dash >-dash/-rf
	echo nl >$'new\nline/f\n'
	echo one >several
	ln several a/several2
	ln several ro/several3
	ln -s /nowhere a/dangling
	ln -s "$(printf '%0200d' 0)" a/long
	mkfifo a/fifo
	echo secret >a/closed
	setfattr -n user.colour -v blue a/data 2>/dev/null || true
	setfattr -n user.room -v "$(printf '%02000d' 7)" a/b 2>/dev/null || true
	setfacl -m u:12:r,g:13:rw a/closed 2>/dev/null || true
	setfacl -d -m u:12:rwx a/b 2>/dev/null || true
	chmod 640 a/closed
	chmod 4755 a/data
	chmod 2770 a/b
	chmod 1777 empty
	if [ -n "$root" ]; then
		mknod a/null c 1 3
		chown 12:13 a/data a/b
		chmod 6755 a/data
		chown -h 14:15 a/dangling
		setfattr -n trusted.note -v hidden a/data
		setfattr -h -n trusted.note -v link a/long
		setfattr -n security.capability -v 0sAQAAAgAgAAAAAAAAAAAAAAAAAAA= a/b/nothing
		chmod 0 a/closed
	fi
	touch -d '2001-02-03 04:05:06.789' a/data several a
	touch -h -d '2002-02-03 04:05:06.5' a/dangling
	chmod 555 ro
	touch -d '1999-01-01' . empty ro
)
echo other >base/other
listing base/tree >want
more base/tree >want.more
sparse=$(stat -c %b base/tree/a/sparse)

what="a whole run"
fresh base
run 0
grep -q trees=1 out || fail "no tree was done"
under_new
listing m/tree | cmp - want || fail "the tree differs"
more m/tree | cmp - want.more || fail "it differs: $(more m/tree | diff - want.more)"
[ "$(stat -c %b m/tree/a/sparse)" -le $((sparse + 16)) ] || fail "holes are filled"
[ m/tree/several -ef m/tree/ro/several3 ] || fail "hard links are separate files"
run 0
grep -q trees=0 out || fail "done again"

what="nothing but looking"
fresh base
cp -a db db.was
run 0 dry-run
cmp db db.was
listing m/tree | cmp - want
grep -q "m/tree: .* files" out || fail "it doesn't say what it would do"
[ "$(ls -A m)" = "$(ls -A base)" ] || fail "it made something"

# --- killed at every step, and again at one of the steps that follow
what="killed"
fresh base
ROTATE_STEPS=$tmp/steps run 0
steps=$(<steps)
[ "$steps" -gt 100 ] || fail "only $steps steps"
for ((i = 1; i <= steps; i++)); do
	what="killed at step $i"
	fresh base
	ROTATE_AT=$i run 137
	# Whatever happened, there is a tree, and it is a whole one.
	listing m/tree | cmp -s - want || fail "the tree differs then"
	for f in m/* m/.[!.]*; do
		case ${f#m/} in
		tree | other | .inocrypt-rotate.tree | ".[!.]*") ;;
		*) fail "there is a $f" ;;
		esac
	done
	if [ $((i % 3)) = 0 ]; then
		rc=0
		ROTATE_AT=$((i * 7 % 50 + 1)) "$tool" m >out 2>&1 || rc=$?
		[ $rc = 0 ] || [ $rc = 137 ] || fail "exit code $rc when killed twice"
		listing m/tree | cmp -s - want || fail "the tree differs when killed twice"
	fi
	run 0
	under_new
	listing m/tree | cmp -s - want || fail "the tree differs"
	more m/tree | cmp - want.more || fail "it differs: $(more m/tree | diff - want.more)"
done

what="what was copied isn't copied again"
mkdir -p many/tree
for ((i = 0; i < 200; i++)); do echo $i >many/tree/$i; done
fresh many
ROTATE_STEPS=$tmp/steps run 0
grep -q files=200 out || fail "not 200 files"
n=$(<steps)
fresh many
# Stopped by a signal, which writes down what is done.
ROTATE_AT=$((n / 3)) ROTATE_DO="kill -TERM \$PPID" run 1
run 0
done_now=$(sed -n 's/.*files=\([0-9]*\) .*/\1/p' out)
[ "$done_now" -lt 190 ] || fail "$done_now files were copied again"
under_new

what="given up"
fresh many
ROTATE_AT=$((n / 4)) run 137
run 0 abort
[ "$(ls -A m)" = tree ] || fail "left: $(ls -A m)"
[[ $(<db) == *"$(stat -c %i m/tree) o"* ]] || fail "it isn't under the old key"

# --- others work in it all the time
mkdir -p live/tree/{a,b/c}
for ((i = 0; i < 6; i++)); do echo "data $i" >live/tree/a/$i; done
echo x >live/tree/b/c/f
echo y >live/tree/b/gone
fresh live
ROTATE_STEPS=$tmp/steps run 0
n=$(<steps)
# Every change by a path, whether it leads to the old tree or the new.
cat >do.sh <<-'END'
	cd m/tree
	echo more >>a/3
	echo new >b/new
	mkdir d
	echo deep >d/deep
	rm -f b/gone
	chmod 600 a/4
	cp -p a/2 $ROTATE_DB.time
	echo DATA 2 >a/2
	touch -r $ROTATE_DB.time a/2
	mv b/c/f a/moved
	ln a/5 b/five
END
for ((i = 0; i <= n; i += 2)); do
	what="changes by path at step $i"
	fresh live
	rc=0
	# Not at a step, that is at the exchange.
	if [ $i = 0 ]; then export ROTATE_ON=renameat2; else unset ROTATE_ON; fi
	ROTATE_AT=$i ROTATE_DO="sh do.sh" "$tool" m >out 2>&1 || rc=$?
	[ $rc = 0 ] || fail "exit code $rc"
	under_new
	got=$(cd m/tree && cat a/2 a/3 b/new d/deep a/moved && stat -c %a a/4 && stat -c %h b/five && ls b d)
	[ "$got" = $'DATA 2\ndata 3\nmore\nnew\ndeep\nx\n600\n2\nb:\nc\nfive\nnew\n\nd:\ndeep' ] || fail "it isn't as it was made: $got"
done
# By somebody who is in the old tree, and stays there when it is exchanged. Who writes to what is
# just being taken away is told to wait.
cat >within.sh <<-'END'
	echo more | dd of=3 oflag=append,nonblock conv=notrunc 2>/dev/null && echo >$ROTATE_DB.more
	echo new 2>/dev/null >new && echo >$ROTATE_DB.new
	true
END
for ((i = 1; i <= n; i += 2)); do
	what="changes from within at step $i"
	fresh live
	rm -f db.more db.new
	rc=0
	(cd m/tree/a && ROTATE_AT=$i ROTATE_DO="sh $tmp/within.sh" "$tool" "$tmp/m") >out 2>&1 || rc=$?
	case $rc in
	0) [ -z "$(find m -name '.inocrypt-rotate*' -print -quit)" ] || fail "left: $(ls -A m)" ;;
	4) grep -q "changed while it was put there\|in use" out || fail "it doesn't say why" ;;
	*) fail "exit code $rc" ;;
	esac
	[ ! -e db.new ] || [ -n "$(find m -name new -type f -size +0)" ] || fail "a new file is lost"
	[ ! -e db.more ] || grep -rqx more m || fail "what was added is lost"
done

what="a file that is open for writing"
fresh live
exec 9>>m/tree/a/1
run 4
grep -q "1 files are open for writing" out || fail "it doesn't say so"
grep -q "^inocrypt: m/tree/a/1: in use$" out || fail "it isn't named"
echo late >&9
exec 9>&-
run 0
under_new
[ "$(<m/tree/a/1)" = $'data 1\nlate' ] || fail "late writes are lost"

what="more of them than are named, whose names a terminal shouldn't see"
fresh live
mkdir m/tree/busy
fds=()
for i in {1..7}; do
	exec {fd}>>"m/tree/busy/"$'\e]0;\n'"$i"
	fds+=("$fd")
done
run 4
grep -q "7 files are open for writing" out || fail "it doesn't say so"
[ "$(grep -cx 'inocrypt: m/tree/busy/\\033\]0;\\012[1-7]: in use' out)" = 5 ] || fail "not five are named"
for fd in "${fds[@]}"; do exec {fd}>&-; done
run 0
under_new

what="opened before the exchange, written to after it"
fresh live
mkfifo go ready
cat >late.sh <<-'END'
	(exec 9>>m/tree/a/1; echo >ready; read -r x <go; echo late >&9; exec 9>&-; echo >ready) </dev/null >/dev/null 2>&1 &
	read -r x <ready
END
rc=0
ROTATE_ON=renameat2 ROTATE_DO="sh late.sh" "$tool" m >out 2>&1 || rc=$?
[ $rc = 4 ] || fail "exit code $rc"
grep -q "1 files of the old copy are still being written to" out || fail "it doesn't say so"
grep -q "/a/1: in use$" out || fail "it isn't named"
echo >go
read -r _ <ready
run 0
under_new
[ "$(<m/tree/a/1)" = $'data 1\nlate' ] || fail "late writes are lost"

what="opened in the new tree, which then is taken back"
fresh live
cat >new.sh <<-'END'
	(exec 9>>m/tree/a/1; echo >ready; read -r x <go; echo late >&9; exec 9>&-; echo >ready) </dev/null >/dev/null 2>&1 &
	read -r x <ready
	echo more >>m/.inocrypt-rotate.tree/tree/a/3
END
ROTATE_ON=renameat2 ROTATE_NEXT=1 ROTATE_DO="sh new.sh" ROTATE_THEN="echo >go; read -r x <ready" run 0
under_new
[ "$(<m/tree/a/1)" = $'data 1\nlate' ] || fail "late writes are lost"
[ "$(<m/tree/a/3)" = $'data 3\nmore' ] || fail "what was added to the old tree is lost"

what="written to by name after the exchange, and before"
fresh live
# Stopped when it begins to take the old tree away.
ROTATE_ON=unlinkat ROTATE_AT=0 run 137
[ -d m/.inocrypt-rotate.tree/tree/a ] || fail "it isn't exchanged"
echo new >>m/tree/a/2
echo old >>m/.inocrypt-rotate.tree/tree/a/2
echo mine >m/.inocrypt-rotate.tree/tree/a/mine
run 4
grep -q "m/tree/a/2: was changed late, and so was" out || fail "it doesn't say so"
[ "$(<m/tree/a/2)" = $'data 2\nnew' ] || fail "what was written last is lost"
[ "$(<m/tree/a/mine)" = mine ] || fail "a late file is lost"
[ "$(<m/.inocrypt-rotate.tree/tree/a/2)" = $'data 2\nold' ] || fail "what was written first is lost"
rm m/.inocrypt-rotate.tree/tree/a/2
run 0
under_new

# late_old: m is exchanged, and a file in the old tree was changed late.
late_old()
{
	fresh live
	ROTATE_ON=unlinkat ROTATE_AT=0 run 137
	echo old >>m/.inocrypt-rotate.tree/tree/a/2
}
# both_stay: that file is there, and what was written to the new one, too.
both_stay()
{
	grep -q "m/tree/a/2: was changed late, and so was" out || fail "it doesn't say so"
	[ "$(<m/tree/a/2)" = $'data 2\nnew' ] || fail "what was written to the new file is lost"
	[ "$(<m/.inocrypt-rotate.tree/tree/a/2)" = $'data 2\nold' ] || fail "what was written to the old file is lost"
	rm m/.inocrypt-rotate.tree/tree/a/2
	run 0
	under_new
	[ "$(<m/tree/a/2)" = $'data 2\nnew' ] || fail "what was written to the new file is lost now"
}
what="a late change, carried over"
late_old
run 0
under_new
[ "$(<m/tree/a/2)" = $'data 2\nold' ] || fail "it is lost"
what="written to while a late change is copied to it"
late_old
ROTATE_ON=pwrite64 ROTATE_DO="echo new >>m/tree/a/2" run 4
both_stay
# Who opens waits for our lease.
cat >blocked.sh <<-'END'
	for i in $(seq 100); do
		! grep -q 'LEASE *BREAKING' /proc/locks || exit 0
		sleep 0.1
	done
	exit 1
END
what="opened when a late change takes its place"
late_old
# It waits until it is where it was.
ROTATE_ON=renameat2 ROTATE_DO="(echo new >>m/tree/a/2; echo >ready) </dev/null >/dev/null 2>&1 & sh blocked.sh" run 4 &
read -r _ <ready
wait $!
both_stay
what="killed when a late change has taken its place"
late_old
ROTATE_ON=renameat2 ROTATE_NEXT=1 run 137
[ "$(<m/tree/a/2)" = $'data 2\nold' ] || fail "it hasn't"
[ "$(<m/.inocrypt-rotate.tree/fix/file)" = "data 2" ] || fail "the other isn't there"
echo new >>m/.inocrypt-rotate.tree/fix/file
run 4
grep -q "is .inocrypt-rotate.tree/fix/file: take" out || fail "it doesn't say so"
[ "$(<m/.inocrypt-rotate.tree/fix/file)" = $'data 2\nnew' ] || fail "what was written to the new file is lost"

# --- what is refused
what="links that lead out"
fresh live
ln m/tree/a/0 m/outside
run 1
grep -q "1 files have names .* outside" out || fail "it doesn't say so"
[ "$(ls -A m)" = $'outside\ntree' ] || fail "it began: $(ls -A m)"
run 0 break-links
[ "$(stat -c %h m/outside)" = 1 ] || fail "the links are still there"
what="a box that others may write to"
fresh live
ROTATE_AT=$((n / 2)) run 137
chmod 755 m/.inocrypt-rotate.tree
echo precious >m/.inocrypt-rotate.tree/notes/precious
run 0
[ "$(<m/.inocrypt-rotate.tree/notes/precious)" = precious ] || fail "it was touched"
[ "$(ls -A m)" = $'.inocrypt-rotate.tree\ntree' ] || fail "left: $(ls -A m)"
[[ $(<db) == *"$(stat -c %i m/tree) n"* ]] || fail "the tree isn't under the new key"
what="another directory in the tree's place"
fresh live
ROTATE_AT=$((n / 2)) run 137
mv m/tree m/aside
mkdir m/tree
echo mine >m/tree/f
run 1
[ "$(<m/tree/f)" = mine ] || fail "it was touched"
grep -q "unfinished copy" out || fail "it doesn't say so"
run 0 abort
run 0
what="another key within"
fresh live
stat -c '%i x' m/tree/b >>db
run 1
grep -q "m/tree/b: is under another key" out || fail "it doesn't say so"

# --- single files, and directories for their creators' keys
what="single files"
mkdir -p single/tree single/user/deep
echo 1 >single/tree/f
for i in 1 2 3; do echo "single $i" >single/s$i; done
touch -d '2003-04-05 06:07:08.9' single/s2
chmod 640 single/s3
mkdir single/user/theirs
echo 2 >single/user/theirs/f
echo 3 >single/user/file
sfresh()
{
	fresh single
	stat -c '%i u' m/user >>db
	stat -c '%i o' m/s1 m/s2 m/s3 m/user/file m/user/theirs >>db
}
slisting() { (cd "$1" && find . -printf '%y %m %U %G %T@ %n %p\n' -type f -exec cat {} + | sort); }
slisting single >want.single
gone() { for f in s1 s2 s3 user/file; do [[ $(<db) != *"$(stat -c %i "m/$f") o"* ]] || fail "$f is as it was"; done; }
sfresh
ROTATE_STEPS=$tmp/steps run 0
grep -q "trees=2 .*loose=4" out || fail "not all was done"
[ -z "$(find m -name '.inocrypt-rotate*' -print -quit)" ] || fail "left: $(ls -A m)"
# The directories' own times are what changes.
differs() { slisting m | diff - want.single | grep '^[<>]' | grep -v -E '^[<>] d .* [.](/user)?$'; }
! differs || fail "something differs"
gone
for ((i = 1; i <= $(<steps); i++)); do
	what="single files, killed at step $i"
	sfresh
	ROTATE_AT=$i run 137
	for f in s1 s2 s3 user/file user/theirs/f tree/f; do cmp -s m/$f single/$f || fail "$f differs then"; done
	run 0
	! differs || fail "something differs"
	[ -z "$(find m -name '.inocrypt-rotate*' -print -quit)" ] || fail "left: $(ls -A m)"
	gone
done
two_fresh()
{
	rm -rf m db
	mkdir m
	echo one >m/s1
	echo two >m/s2
	stat -c '%i o' m/s1 m/s2 >db
}
what="a single file, written to when it has been exchanged"
two_fresh
exec 8<m/s1
cat >reopen.sh <<-'END'
	(echo late >>/proc/$TEST_PID/fd/8; echo >ready) </dev/null >/dev/null 2>&1 &
	sh blocked.sh
END
TEST_PID=$$ ROTATE_ON=renameat2 ROTATE_NEXT=1 ROTATE_DO="sh reopen.sh" ROTATE_THEN="read -r x <ready" run 4
exec 8<&-
grep -q "m/s1: another file .*rotate/swap.* was after it was copied" out || fail "it doesn't say so"
[ "$(<m/.inocrypt-rotate/swap/s1)" = $'one\nlate' ] || fail "what was written is lost"
[ "$(ls -A m/.inocrypt-rotate/swap)" = s1 ] || fail "others stay, too"
run 4
[ "$(<m/.inocrypt-rotate/swap/s1)" = $'one\nlate' ] || fail "what was written is lost by another run"
rm m/.inocrypt-rotate/swap/s1
run 0
[ "$(ls -A m)" = $'s1\ns2' ] || fail "left: $(ls -A m)"
what="another file in a single file's place, which can't be put back"
two_fresh
ROTATE_ON=renameat2 ROTATE_DO="echo foreign >f; mv f m/s1" ROTATE_THEN_ON=renameat2 ROTATE_THEN="rm m/s1" run 1
grep -q "s1: can't tell what the one in .*rotate/swap is" out || fail "it doesn't say so"
[ "$(<m/.inocrypt-rotate/swap/s1)" = foreign ] || fail "it is lost"
mv m/.inocrypt-rotate/swap/s1 m/s1
run 0
[ "$(cat m/s1 m/s2)" = $'foreign\ntwo' ] || fail "something is lost"
[ "$(ls -A m)" = $'s1\ns2' ] || fail "left: $(ls -A m)"
# --- leases: opening such a file would wait for its owner, 45 seconds for each
# leased FILE...: somebody has them, until end_leases.
leased()
{
	coproc LEASE { exec perl -MFcntl -e '$SIG{IO} = "IGNORE"; my @f;
		for (@ARGV) { sysopen my $f, $_, O_RDWR or die; fcntl $f, 1024, F_WRLCK or die "$!"; push @f, $f }
		$| = 1; print "up\n"; <STDIN>' "$@"; }
	read -r _ <&"${LEASE[0]}" || fail "no leases"
}
end_leases() { echo >&"${LEASE[1]}"; wait "$LEASE_PID"; }
tool_was=$tool
hurried() { timeout 40 "$tool_was" "$@"; }
tool=hurried
what="leases where nothing is to be done"
rm -rf m db
mkdir m
: >db
touch m/f{1..12}
leased m/f{1..12}
run 4 dry-run
grep -q "m/f1: somebody has a lease on it" out || fail "it doesn't say so"
[ "$(wc -l <out)" -lt 12 ] || fail "a line for each"
grep -q "and 4 more files" out || fail "how many isn't said"
run 4
end_leases
run 0
what="a lease on a single file"
two_fresh
leased m/s1
run 4
[ "$(<m/s1)" = one ] || fail "it was touched"
end_leases
run 0
what="a lease in a tree"
fresh live
leased m/tree/a/3
run 0 dry-run
run 4
grep -q "1 files are open for writing" out || fail "it doesn't say so"
end_leases
run 0
under_new
tool=$tool_was
echo "rotate-copy: all pass"
