// SPDX-License-Identifier: GPL-2.0-only
/*
 * findbytes STRING FILE... - how often the string's bytes are in these files
 * or devices, all together.  Prints the number.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK	(1024 * 1024)

int main(int argc, char **argv)
{
	static char buf[2 * CHUNK];
	unsigned long found = 0;
	size_t len;

	if (argc < 3 || !*argv[1] || strlen(argv[1]) > CHUNK)
		errx(2, "usage: findbytes STRING FILE...");
	len = strlen(argv[1]);
	for (int i = 2; i < argc; i++) {
		int fd = open(argv[i], O_RDONLY);
		size_t have = 0;
		ssize_t n;

		if (fd < 0)
			err(2, "%s", argv[i]);
		while ((n = read(fd, buf + have, CHUNK)) > 0) {
			char *p = buf, *end = buf + have + n;

			while ((p = memmem(p, end - p, argv[1], len))) {
				found++;
				p++;
			}
			/* What a hit may begin with goes before the next. */
			have = have + n < len ? have + n : len - 1;
			memmove(buf, end - have, have);
		}
		if (n < 0)
			err(2, "%s", argv[i]);
		close(fd);
	}
	printf("%lu\n", found);
	return 0;
}
