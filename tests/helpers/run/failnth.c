// SPDX-License-Identifier: GPL-2.0-only
/*
 * failnth - do one thing again and again, with the first allocation failing that the
 * kernel makes for it, then the second, and so on, until it needs no more of them.
 *
 * Needs a kernel with fault injection (/proc/thread-self/fail-nth).  Each time, the thing
 * is either done or fails with an error, and undone if it was done; at the end, without a
 * fault, it has to succeed.  That nothing leaks, crashes or is used after it was freed is
 * for the kernel's own checkers to say.
 *
 *	failnth [OPTIONS] table NAME SECTORS ARGUMENTS	constructor of an inocrypt table
 *	failnth [OPTIONS] resume NAME			suspend and resume
 *	failnth [OPTIONS] message NAME TEXT [UNDO]	message; UNDO is sent after success
 *	failnth [OPTIONS] mount DEV DIR			mount and unmount, as ext4
 *	failnth [OPTIONS] io DEV			direct write, read, fsync, discard
 *	failnth [OPTIONS] module FILE NAME		insert and remove
 *
 * -m MAX: no more than so many tries; -s STRIDE: each STRIDE-th only, after the first
 * DENSE (-d, 100).
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DM_BYTES	16384
#define IO_BYTES	(64 * 1024)

static int nth_fd, dm_fd;
static unsigned long max_tries = 20000, stride = 1, dense = 100;
static struct dm_ioctl *dm;
static char *buf;

/* arm: the nr-th allocation from here on fails; 0 for none. */
static void arm(unsigned long nr)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%lu", nr);

	if (pwrite(nth_fd, text, n, 0) != n)
		err(2, "fail-nth");
}

/* Whether the fault came. */
static bool disarm(void)
{
	char text[24] = "";

	if (pread(nth_fd, text, sizeof(text) - 1, 0) <= 0)
		err(2, "fail-nth");
	arm(0);
	return !strtoul(text, NULL, 10);
}

static void dm_prepare(const char *name)
{
	memset(dm, 0, DM_BYTES);
	dm->version[0] = DM_VERSION_MAJOR;
	dm->data_size = DM_BYTES;
	dm->data_start = sizeof(*dm);
	if (name)
		snprintf(dm->name, sizeof(dm->name), "%s", name);
}

static int dm_plain(const char *name, unsigned long cmd, unsigned int flags)
{
	dm_prepare(name);
	dm->flags = flags;
	return ioctl(dm_fd, cmd, dm) ? -errno : 0;
}

/* What is tried: with fault @nth in do_it(), without one in undo(). */
static struct {
	char **args;
	int nr;
} cmd;

static int do_table(void)
{
	struct dm_target_spec *spec;

	dm_prepare(cmd.args[0]);
	dm->target_count = 1;
	spec = (void *)((char *)dm + dm->data_start);
	spec->length = strtoull(cmd.args[1], NULL, 0);
	strcpy(spec->target_type, "inocrypt");
	snprintf((char *)(spec + 1), 4096, "%s", cmd.args[2]);
	spec->next = sizeof(*spec) + 4096;
	return ioctl(dm_fd, DM_TABLE_LOAD, dm) ? -errno : 0;
}

static int undo_table(void)
{
	return dm_plain(cmd.args[0], DM_TABLE_CLEAR, 0);
}

static int do_resume(void)
{
	int ret = dm_plain(cmd.args[0], DM_DEV_SUSPEND, DM_SUSPEND_FLAG);

	return ret ? ret : dm_plain(cmd.args[0], DM_DEV_SUSPEND, 0);
}

static int undo_resume(void)
{
	return dm_plain(cmd.args[0], DM_DEV_SUSPEND, 0);
}

static int send(const char *text)
{
	struct dm_target_msg *msg;

	dm_prepare(cmd.args[0]);
	msg = (void *)((char *)dm + dm->data_start);
	snprintf(msg->message, 4096, "%s", text);
	return ioctl(dm_fd, DM_TARGET_MSG, dm) ? -errno : 0;
}

static int do_message(void)
{
	return send(cmd.args[1]);
}

static int undo_message(void)
{
	return cmd.nr > 2 ? send(cmd.args[2]) : 0;
}

static int do_mount(void)
{
	return mount(cmd.args[0], cmd.args[1], "ext4", 0, "") ? -errno : 0;
}

static int undo_mount(void)
{
	return umount(cmd.args[1]) ? -errno : 0;
}

static int do_io(void)
{
	static int fd = -1;
	uint64_t range[2] = { 2 * IO_BYTES, IO_BYTES };
	int ret = 0;

	if (fd < 0)
		fd = open(cmd.args[0], O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* Each is tried though one before it may have failed. */
	if (pwrite(fd, buf, IO_BYTES, IO_BYTES) != IO_BYTES)
		ret = -errno;
	if (pread(fd, buf, IO_BYTES, IO_BYTES) != IO_BYTES)
		ret = -errno;
	if (fsync(fd))
		ret = -errno;
	if (ioctl(fd, BLKDISCARD, range))
		ret = -errno;
	return ret;
}

static int undo_nothing(void)
{
	return 0;
}

static int do_module(void)
{
	int fd = open(cmd.args[0], O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return ret;
}

static int undo_module(void)
{
	return syscall(SYS_delete_module, cmd.args[1], O_NONBLOCK) ? -errno : 0;
}

static const struct {
	const char *name;
	int min, max;
	int (*do_it)(void);
	int (*undo)(void);
	/* Undone also when it failed: half of it may have been done. */
	bool always_undo;
} things[] = {
	{ "table", 3, 3, do_table, undo_table, false },
	{ "resume", 1, 1, do_resume, undo_resume, true },
	{ "message", 2, 3, do_message, undo_message, false },
	{ "mount", 2, 2, do_mount, undo_mount, false },
	{ "io", 1, 1, do_io, undo_nothing, false },
	{ "module", 2, 2, do_module, undo_module, false },
};

static int run(unsigned int t)
{
	unsigned long nth = 0, tries = 0, failures = 0;
	bool came;
	int ret;

	do {
		nth += nth < dense ? 1 : stride;
		arm(nth);
		ret = things[t].do_it();
		came = disarm();
		tries++;
		failures += !!ret;
		if (ret && !came)
			errx(1, "%s: fails without a fault: %s", things[t].name,
			     strerror(-ret));
		if (!ret || things[t].always_undo) {
			int err = things[t].undo();

			if (err)
				errx(1, "%s: can't undo after fault %lu: %s",
				     things[t].name, nth, strerror(-err));
		}
	} while (came && tries < max_tries);
	printf("failnth: %s: %lu allocations, %lu of %lu tries failed\n",
	       things[t].name, came ? nth : nth - 1, failures, tries);
	return 0;
}

int main(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "+d:m:s:")) != -1)
		switch (c) {
		case 'd':
			dense = strtoul(optarg, NULL, 10);
			break;
		case 'm':
			max_tries = strtoul(optarg, NULL, 0);
			break;
		case 's':
			stride = strtoul(optarg, NULL, 0);
			break;
		default:
			goto usage;
		}
	argv += optind;
	argc -= optind;
	if (argc < 2 || !max_tries || !stride)
		goto usage;
	cmd.args = argv + 1;
	cmd.nr = argc - 1;
	nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (nth_fd < 0)
		err(2, "no fault injection");
	dm_fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	if (dm_fd < 0)
		err(2, "/dev/mapper/control");
	/* No page fault of ours is to take the fault. */
	if (posix_memalign((void **)&dm, 4096, DM_BYTES) ||
	    posix_memalign((void **)&buf, 4096, IO_BYTES))
		errx(2, "out of memory");
	memset(buf, 0x5a, IO_BYTES);
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		err(2, "mlockall");
	for (unsigned int t = 0; t < sizeof(things) / sizeof(*things); t++)
		if (!strcmp(things[t].name, argv[0]) &&
		    cmd.nr >= things[t].min && cmd.nr <= things[t].max)
			return run(t);
usage:
	fputs("usage: failnth [-d DENSE] [-m MAX] [-s STRIDE] table|resume|message|mount|"
	      "io|module ...\n",
	      stderr);
	return 2;
}
