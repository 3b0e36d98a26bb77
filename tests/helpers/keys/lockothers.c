// SPDX-License-Identifier: GPL-2.0-only
/*
 * lockothers - while a key is being locked and that takes its time, nobody waits but who brings
 * the same key; and whoever waits can be killed.  And a lock doesn't wait for who reads all the
 * time, or until a frozen file system is thawed.
 *
 * usage: lockothers DIR DEVICE SUSPEND RESUME
 *
 * As root.  DIR is an empty directory of a mounted volume.  After the shell's command SUSPEND
 * reading DEVICE blocks until RESUME: so does a write from a mapping of it, with the file's lock
 * held.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
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
#define READERS	4

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

/* Several read one file, always one of them, until they are refused. */
static void readers(const struct ext4_owner_key_add *key)
{
	struct ext4_owner_key_lock l = { 0 };
	static char data[16 * SIZE];
	int fd, status, go[2];
	pid_t pid[READERS];
	char c;

	fd = open("a/r", O_RDWR | O_CREAT, 0600);
	if (fd < 0 || write(fd, data, sizeof(data)) != sizeof(data) || fsync(fd) || pipe(go))
		err(1, "a/r");
	close(fd);
	for (int i = 0; i < READERS; i++) {
		pid[i] = child();
		if (!pid[i]) {
			void *buf = aligned_alloc(SIZE, sizeof(data));

			fd = open("a/r", O_RDONLY | O_DIRECT);
			if (fd < 0 || !buf || write(go[1], "", 1) != 1)
				_exit(1);
			while (pread(fd, buf, sizeof(data), 0) == sizeof(data))
				;
			_exit(errno == ENOKEY || errno == EILSEQ ? 0 : 1);
		}
	}
	for (int i = 0; i < READERS; i++)
		if (read(go[0], &c, 1) != 1)
			errx(1, "a reader is gone");
	memcpy(l.key_id, key->key_id, sizeof(l.key_id));
	if (ioctl(top, EXT4_IOC_OWNER_KEY_LOCK, &l))
		err(1, "KEY_LOCK while a file is read");
	if (l.status)
		errx(1, "KEY_LOCK while a file is read: status %x", l.status);
	for (int i = 0; i < READERS; i++)
		if (waitpid(pid[i], &status, 0) != pid[i] || status)
			errx(1, "a reader: status %x", status);
	close(go[0]);
	close(go[1]);
}

/* Read a file without a name, in memory that isn't there until @device can be read. */
static void read_into(const char *device, int i)
{
	int fd, source = open(device, O_RDONLY);
	char name[16];
	void *map;

	snprintf(name, sizeof(name), "a/d%d", i);
	fd = open(name, O_RDWR | O_DIRECT);
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, source, 0);
	if (fd < 0 || source < 0 || map == MAP_FAILED || unlink(name))
		err(1, "%s", name);
	/* The lock may come first. */
	_exit(read(fd, map, SIZE) == SIZE || errno == ENOKEY || errno == EILSEQ ? 0 : 1);
}

/* Files are deleted with their last user, and the lock has a look at them just then. */
static void lock_frozen(const struct ext4_owner_key_add *key, const char *device,
			const char *suspend, const char *resume)
{
	struct ext4_owner_key_lock l = { 0 };
	pid_t pid[READERS], locker;
	char name[16];
	int status;

	for (int i = 0; i < READERS; i++) {
		int fd;

		snprintf(name, sizeof(name), "a/d%d", i);
		fd = open(name, O_RDWR | O_CREAT, 0600);
		if (fd < 0 || write(fd, page, SIZE) != SIZE || fsync(fd))
			err(1, "%s", name);
		close(fd);
	}
	if (system(suspend))
		errx(1, "%s", suspend);
	for (int i = 0; i < READERS; i++) {
		pid[i] = child();
		if (!pid[i])
			read_into(device, i);
		while (state_of(pid[i]) != 'D')
			usleep(10000);
		usleep(300000);
		if (state_of(pid[i]) != 'D')
			errx(1, "a reader isn't stuck");
	}
	if (ioctl(top, FIFREEZE, 0))
		err(1, "FIFREEZE");
	memcpy(l.key_id, key->key_id, sizeof(l.key_id));
	locker = child();
	if (!locker)
		_exit(ioctl(top, EXT4_IOC_OWNER_KEY_LOCK, &l) ? 1 : 0);
	while (can_open("a/f"))
		usleep(10000);
	if (system(resume))
		errx(1, "%s", resume);
	/* If it waited for the deletion, this would wait for ever. */
	if (waitpid(locker, &status, 0) != locker || status)
		errx(1, "KEY_LOCK of a frozen file system: status %x", status);
	if (ioctl(top, FITHAW, 0))
		err(1, "FITHAW");
	for (int i = 0; i < READERS; i++)
		if (waitpid(pid[i], &status, 0) != pid[i] || status)
			errx(1, "a reader of a deleted file: status %x", status);
}

int main(int argc, char **argv)
{
	struct ext4_owner_key_add a = { 0 }, b = { 0 }, c = { 0 };
	pid_t writer, locker, waiter;
	char buf[SIZE];
	int fd, status;

	if (argc != 5)
		errx(2, "usage: lockothers DIR DEVICE SUSPEND RESUME");
	top = open(argv[1], O_RDONLY | O_DIRECTORY);
	if (top < 0 || chdir(argv[1]))
		err(1, "%s", argv[1]);
	key_with_file("a", &a);
	key_with_file("b", &b);

	if (system(argv[3]))
		errx(1, "%s", argv[3]);
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

	if (system(argv[4]))
		errx(1, "%s", argv[4]);
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
	readers(&a);
	add(&a);
	lock_frozen(&a, argv[2], argv[3], argv[4]);
	lock(&b);
	return 0;
}
