// SPDX-License-Identifier: GPL-2.0-only
/*
 * fsyncloop - what programs that mean it do, COUNT times: write 4 KiB, sync.
 *
 *	fsyncloop append|create|overwrite|rewrite COUNT DIR
 *
 * append: to the end of a file, fsync.  create: a new file each time, fsync.
 * overwrite: in place, fdatasync; rewrite: in place, fsync.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BSZ	4096
#define BLOCKS	64	/* of the file that is overwritten */

static char buf[BSZ];

static void put(int fd, off_t at, unsigned int nr)
{
	memset(buf, 'a' + nr % 26, sizeof(buf));
	if (pwrite(fd, buf, sizeof(buf), at) != sizeof(buf))
		err(1, "write");
}

static int file(const char *name)
{
	int fd = open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		err(1, "%s", name);
	return fd;
}

int main(int argc, char **argv)
{
	const char *mode = argc == 4 ? argv[1] : "";
	unsigned int count = argc == 4 ? strtoul(argv[2], NULL, 0) : 0;
	char name[32];
	int fd;

	if (!count || chdir(argv[3]))
		errx(2, "usage: fsyncloop append|create|overwrite|rewrite COUNT DIR");
	if (!strcmp(mode, "append")) {
		fd = file("append");
		for (unsigned int i = 0; i < count; i++) {
			put(fd, lseek(fd, 0, SEEK_END), i);
			if (fsync(fd))
				err(1, "fsync");
		}
	} else if (!strcmp(mode, "create")) {
		for (unsigned int i = 0; i < count; i++) {
			sprintf(name, "new%u", i);
			fd = file(name);
			put(fd, 0, i);
			if (fsync(fd) || close(fd))
				err(1, "fsync");
		}
	} else if (!strcmp(mode, "overwrite") || !strcmp(mode, "rewrite")) {
		fd = file("overwrite");
		for (unsigned int i = 0; i < count; i++) {
			/* Not one after the other. */
			put(fd, (off_t)(i * 29 % BLOCKS) * BSZ, i);
			if (*mode == 'o' ? fdatasync(fd) : fsync(fd))
				err(1, "sync");
		}
	} else {
		errx(2, "%s: no such mode", mode);
	}
	return 0;
}
