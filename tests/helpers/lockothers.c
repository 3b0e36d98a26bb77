// SPDX-License-Identifier: GPL-2.0-only
/*
 * lockothers - while a key is being locked and that takes its time, nobody waits but who brings
 * the same key; and whoever waits can be killed.
 *
 * usage: lockothers DIR DEVICE COMMAND
 *
 * As root.  DIR is an empty directory of a mounted volume.  Reading DEVICE blocks, until the
 * shell's COMMAND: so does a write from a mapping of it, with the file's lock held.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ext4_owner.h"

#define SIZE	4096

static int top;
static char page[SIZE];

static void add(struct ext4_owner_key_add *key)
{
	key->flags = EXT4_OWNER_KEY_CREATE;
	if (ioctl(top, EXT4_IOC_OWNER_KEY_ADD, key))
		err(1, "KEY_ADD");
}

static void lock(const struct ext4_owner_key_add *key)
{
	struct ext4_owner_key_lock l = { 0 };

	memcpy(l.key_id, key->key_id, sizeof(l.key_id));
	if (ioctl(top, EXT4_IOC_OWNER_KEY_LOCK, &l))
		err(1, "KEY_LOCK");
	if (l.status || l.busy)
		errx(1, "KEY_LOCK: status %x, %u files in use", l.status, l.busy);
}

static bool loaded(const struct ext4_owner_key_add *key)
{
	struct ext4_owner_key_info info = { 0 };

	for (; !ioctl(top, EXT4_IOC_OWNER_KEY_NEXT, &info); info.slot++)
		if (!memcmp(info.key_id, key->key_id, sizeof(info.key_id)))
			return info.flags & EXT4_OWNER_KEY_LOADED;
	err(1, "KEY_NEXT");
}

/* A new key, and a file under it. */
static void key_with_file(const char *name, struct ext4_owner_key_add *key)
{
	struct ext4_owner_policy policy = { .version = EXT4_OWNER_POLICY_V1 };
	char path[64];
	int fd;

	if (getrandom(key->raw, sizeof(key->raw), 0) != sizeof(key->raw))
		err(1, "getrandom");
	add(key);
	memcpy(policy.key_id, key->key_id, sizeof(policy.key_id));
	fd = mkdir(name, 0700) ? -1 : open(name, O_RDONLY);
	if (fd < 0 || ioctl(fd, EXT4_IOC_SET_OWNER_POLICY, &policy))
		err(1, "%s", name);
	close(fd);
	snprintf(path, sizeof(path), "%s/f", name);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	memset(page, name[0], SIZE);
	if (fd < 0 || write(fd, page, SIZE) != SIZE || fsync(fd))
		err(1, "%s", path);
	close(fd);
}

static bool can_open(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0 && errno != ENOKEY)
		err(1, "%s", path);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static pid_t child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	return pid;
}

static void write_from(const char *device)
{
	int fd = open("a/f", O_WRONLY), source = open(device, O_RDONLY);
	void *map;

	if (fd < 0 || source < 0)
		err(1, "%s", device);
	map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, source, 0);
	if (map == MAP_FAILED)
		err(1, "mmap");
	if (write(fd, map, SIZE) == SIZE)
		errx(1, "what was written to a locked file counts as written");
	_exit(errno == ENOKEY ? 0 : 1);
}

static char state_of(pid_t pid)
{
	char path[64], state = '?';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%*d %*s %c", &state) != 1)
		errx(1, "%s", path);
	fclose(f);
	return state;
}

static void still_there(pid_t pid, const char *who)
{
	int status;

	if (waitpid(pid, &status, WNOHANG))
		errx(1, "%s didn't have to wait: status %x", who, status);
}

static void kill_it(pid_t pid, const char *who)
{
	int status;

	if (kill(pid, SIGKILL) || waitpid(pid, &status, 0) != pid)
		err(1, "%s", who);
	if (!WIFSIGNALED(status))
		errx(1, "%s wasn't killed: status %x", who, status);
}

int main(int argc, char **argv)
{
	struct ext4_owner_key_add a = { 0 }, b = { 0 }, c = { 0 };
	pid_t writer, locker, waiter;
	char buf[SIZE];
	int fd, status;

	if (argc != 4)
		errx(2, "usage: lockothers DIR DEVICE COMMAND");
	top = open(argv[1], O_RDONLY | O_DIRECTORY);
	if (top < 0 || chdir(argv[1]))
		err(1, "%s", argv[1]);
	key_with_file("a", &a);
	key_with_file("b", &b);

	writer = child();
	if (!writer)
		write_from(argv[2]);
	while (state_of(writer) != 'D')
		usleep(10000);
	/* It may have waited for something else. */
	usleep(300000);
	if (state_of(writer) != 'D')
		errx(1, "the writer isn't stuck");
	locker = child();
	if (!locker) {
		lock(&a);
		_exit(0);
	}
	while (can_open("a/f"))
		usleep(10000);

	/* All of this would wait for the writer, if anything of it waited for the lock. */
	if (!loaded(&b) || !can_open("b/f"))
		errx(1, "the other key isn't loaded");
	lock(&b);
	if (loaded(&b) || can_open("b/f"))
		errx(1, "the other key isn't locked");
	add(&b);
	key_with_file("c", &c);
	lock(&c);
	if (!can_open("b/f"))
		errx(1, "the other key isn't back");
	if (mkdir("a/d", 0700) != -1 || errno != ENOKEY)
		err(1, "mkdir under a key that is being locked");
	still_there(locker, "who locks");

	/* The same key: that waits, and can be killed. */
	waiter = child();
	if (!waiter) {
		add(&a);
		_exit(0);
	}
	usleep(300000);
	still_there(waiter, "who brings the same key");
	kill_it(waiter, "who brings the same key");
	kill_it(locker, "who locks");
	if (!loaded(&a))
		errx(1, "who locks was killed when all was over");
	if (can_open("a/f"))
		errx(1, "the lock has ended with who asked for it");

	if (system(argv[3]))
		errx(1, "%s", argv[3]);
	if (waitpid(writer, &status, 0) != writer || status)
		errx(1, "the writer: status %x", status);
	/* Comes after the lock, which went on. */
	add(&a);
	fd = open("a/f", O_RDONLY);
	if (fd < 0 || read(fd, buf, SIZE) != SIZE)
		err(1, "a/f");
	memset(page, 'a', SIZE);
	if (memcmp(buf, page, SIZE))
		errx(1, "a/f has changed");
	close(fd);
	lock(&a);
	lock(&b);
	return 0;
}
