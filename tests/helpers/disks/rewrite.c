// SPDX-License-Identifier: GPL-2.0-only
/*
 * rewrite - write one block of a device again and again, whether that works or not.
 *
 *	rewrite DEV BLOCK COUNT [BLOCK2]
 *
 * Blocks of 4096 bytes, direct I/O.  With BLOCK2 that one is written after each
 * sixteenth time, which has to work.  Prints how many writes of BLOCK failed; one that ended early
 * fails the next flush instead.
 */
#include <err.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK	4096

static alignas(BLOCK) char buf[BLOCK];

static int put(int fd, unsigned long block)
{
	return pwrite(fd, buf, BLOCK, (off_t)block * BLOCK) == BLOCK ? 0 : -1;
}

int main(int argc, char **argv)
{
	unsigned long block, count, other = 0, failed = 0, i;
	int fd;

	if (argc < 4 || argc > 5)
		errx(2, "rewrite DEV BLOCK COUNT [BLOCK2]");
	block = strtoul(argv[2], NULL, 0);
	count = strtoul(argv[3], NULL, 0);
	if (argc == 5)
		other = strtoul(argv[4], NULL, 0);
	fd = open(argv[1], O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", argv[1]);
	for (i = 0; i < count; i++) {
		memset(buf, 'a' + i % 26, BLOCK);
		failed += put(fd, block) != 0;
		if (argc == 5 && i % 16 == 15 && put(fd, other))
			err(1, "block %lu, after %lu writes", other, i + 1);
	}
	printf("%lu\n", failed);
	return 0;
}
