// SPDX-License-Identifier: GPL-2.0-only
/*
 * keyusers - who is who for keys: root without capabilities, users of a container, and how
 * many uses of keys one person may have.
 *
 * usage: keyusers DIR KEYFILE UID OTHER
 *
 * As root.  DIR is a directory of a mounted volume, KEYFILE 32 bytes, UID and OTHER users.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/capability.h>
#include <sys/syscall.h>

#include "ext4_owner.h"

static struct ext4_owner_key_add key;
static int dir;
static unsigned int failures;

static int add(uint32_t flags)
{
	struct ext4_owner_key_add a = key;

	a.flags = flags;
	return ioctl(dir, EXT4_IOC_OWNER_KEY_ADD, &a) ? errno : 0;
}

static int lock(uint32_t flags, uint32_t *status)
{
	struct ext4_owner_key_lock l = { .flags = flags };

	memcpy(l.key_id, key.key_id, sizeof(l.key_id));
	if (ioctl(dir, EXT4_IOC_OWNER_KEY_LOCK, &l))
		return errno;
	*status = l.status;
	return 0;
}

static int delete(void)
{
	struct ext4_owner_key_id id;

	memcpy(id.key_id, key.key_id, sizeof(id.key_id));
	return ioctl(dir, EXT4_IOC_OWNER_KEY_DELETE, &id) ? errno : 0;
}

static struct ext4_owner_key_info look(void)
{
	struct ext4_owner_key_info info = { 0 };

	for (; !ioctl(dir, EXT4_IOC_OWNER_KEY_NEXT, &info); info.slot++)
		if (!memcmp(info.key_id, key.key_id, sizeof(info.key_id)))
			return info;
	err(1, "KEY_NEXT");
}

static void is(const char *what, long got, long want)
{
	if (got == want)
		return;
	warnx("%s: %ld, not %ld", what, got, want);
	failures++;
}

static void is_shown(const char *who, uint32_t flags, uint32_t users)
{
	struct ext4_owner_key_info info = look();

	if (info.flags == flags && info.users == users)
		return;
	warnx("%s is shown flags %x and %u users, not %x and %u", who,
	      info.flags, info.users, flags, users);
	failures++;
}

/* Run @as in a process of its own; what it returns is added to the failures. */
static void run(void (*as)(void *), void *arg)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		failures = 0;
		as(arg);
		_exit(failures);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		errx(1, "a part ended with status %x", status);
	failures += WEXITSTATUS(status);
}

static void drop_caps(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	if (syscall(SYS_capset, &head, none))
		err(1, "capset");
}

static const uint32_t hidden = EXT4_OWNER_KEY_OTHERS_HIDDEN;
static const uint32_t loaded = EXT4_OWNER_KEY_LOADED, mine = EXT4_OWNER_KEY_MINE;

/* User 0, whose claim the real root has, but without capabilities. */
static void lesser_root(void *arg)
{
	uint32_t status = 0;

	(void)arg;
	is("uid 0 without capabilities locks root's key", lock(0, &status), ENOKEY);
	is("uid 0 without capabilities locks it for all",
	   lock(EXT4_OWNER_LOCK_ALL_USERS, &status), EACCES);
	is("uid 0 without capabilities has the key forgotten", delete(), EACCES);
	is_shown("uid 0 without capabilities", hidden, 0);
	is("uid 0 without capabilities makes a key known", add(EXT4_OWNER_KEY_CREATE), EPERM);
	/* Whoever knows a key may use it: as somebody else. */
	is("uid 0 without capabilities brings a key", add(0), 0);
	is_shown("uid 0 without capabilities, who has brought it", loaded | mine | hidden, 1);
	is("uid 0 without capabilities locks his own", lock(0, &status), 0);
	is("which root goes on to use", status, EXT4_OWNER_LOCK_OTHER_USERS);
}

static void dropped_root(void *arg)
{
	drop_caps();
	lesser_root(arg);
}

/* Enter a user namespace with this map; the caller's parent in it has to be root. */
static void enter(uid_t owner, const char *map)
{
	int go[2], done[2], f;
	char path[64], c = 0;
	pid_t pid, self = getpid();

	if (pipe(go) || pipe(done))
		err(1, "pipe");
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		if (read(go[0], &c, 1) != 1)
			_exit(1);
		for (int i = 0; i < 2; i++) {
			snprintf(path, sizeof(path), "/proc/%d/%cid_map", self, "ug"[i]);
			f = open(path, O_WRONLY);
			if (f < 0 || write(f, map, strlen(map)) != (ssize_t)strlen(map))
				err(1, "%s", path);
			close(f);
		}
		_exit(write(done[1], &c, 1) != 1);
	}
	if (owner && setresuid(owner, owner, owner))
		err(1, "setresuid");
	/* Else /proc/PID is root's. */
	prctl(PR_SET_DUMPABLE, 1);
	if (unshare(CLONE_NEWUSER) || write(go[1], &c, 1) != 1 || read(done[0], &c, 1) != 1 ||
	    waitpid(pid, NULL, 0) != pid || setresuid(0, 0, 0))
		err(1, "user namespace");
}

/* A container whose root is the host's user 0. */
static void mapped_root(void *arg)
{
	enter(0, "0 0 1\n");
	lesser_root(arg);
}

/* A user with subordinate ids: the ids don't multiply what he may have. */
static void crowd(void *arg)
{
	const uid_t *uid = arg;
	unsigned int n = 0;
	int got = 0;

	enter(*uid, "0 200000 65536\n");
	is("root of a container makes a key known", add(EXT4_OWNER_KEY_CREATE), EPERM);
	is_shown("root of a container", hidden, 0);
	for (; n <= EXT4_OWNER_CLAIMS_PER_USER && !got; n++) {
		setfsuid(n + 1);
		got = add(0);
	}
	/* One by himself, see main(). */
	is("a use too many", got, EDQUOT);
	is("uses of one person", n, EXT4_OWNER_CLAIMS_PER_USER);
	is_shown("one who wasn't let", hidden, 0);
	setfsuid(1);
	is_shown("one who was", loaded | mine | hidden, 1);
	is("brought again", add(0), 0);
}

static void one_user(void *arg)
{
	const uid_t *uid = arg;
	uint32_t status = 0;

	if (setresuid(*uid, *uid, *uid))
		err(1, "setresuid");
	is_shown("a user", hidden, 0);
	is("a user locks what he hasn't brought", lock(0, &status), ENOKEY);
	is("a user brings a key", add(0), 0);
	is_shown("a user who has brought it", loaded | mine | hidden, 1);
}

static void user_again(void *arg)
{
	const uid_t *uid = arg;
	uint32_t status = 0;

	if (setresuid(*uid, *uid, *uid))
		err(1, "setresuid");
	is("a user's uses are up", add(0), 0);	/* he has this one already */
	is("a user locks", lock(0, &status), 0);
	is_shown("a user who has locked", hidden, 0);
	is("a use is free again", add(0), 0);
}

int main(int argc, char **argv)
{
	uid_t uid, other;
	uint32_t status = 0;
	int f;

	if (argc != 5)
		errx(2, "usage: keyusers DIR KEYFILE UID OTHER");
	uid = atoi(argv[3]);
	other = atoi(argv[4]);
	dir = open(argv[1], O_RDONLY | O_DIRECTORY);
	f = open(argv[2], O_RDONLY);
	if (dir < 0 || f < 0 || read(f, key.raw, sizeof(key.raw)) != sizeof(key.raw))
		err(1, "%s", dir < 0 ? argv[1] : argv[2]);
	key.flags = EXT4_OWNER_KEY_CREATE;
	if (ioctl(dir, EXT4_IOC_OWNER_KEY_ADD, &key))
		err(1, "KEY_ADD");

	is_shown("root", loaded | mine, 1);
	run(dropped_root, NULL);
	run(mapped_root, NULL);
	is_shown("root", loaded | mine, 1);
	run(one_user, &uid);
	run(crowd, &uid);
	is_shown("root", loaded | mine, 1 + EXT4_OWNER_CLAIMS_PER_USER);
	run(user_again, &uid);
	/* Others aren't held back by that. */
	run(one_user, &other);
	is_shown("root", loaded | mine, 2 + EXT4_OWNER_CLAIMS_PER_USER);
	is("root locks for all", lock(EXT4_OWNER_LOCK_ALL_USERS, &status), 0);
	is("with nothing to say", status, 0);
	is_shown("root", 0, 0);
	run(one_user, &uid);
	is("root locks for all", lock(EXT4_OWNER_LOCK_ALL_USERS, &status), 0);
	is("and has it forgotten", delete(), 0);
	return failures ? 1 : 0;
}
