// SPDX-License-Identifier: GPL-2.0-only
/*
 * nonces - print nonce and tag of every block of a sidecar that was ever written: of both
 * superblocks, the log, and both places of the tree.  Whether anything refers to
 * the block doesn't matter.
 *
 * usage: nonces SIDECAR
 */
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BLOCK	4096
#define FIRST	16	/* block after the superblocks */

static void print(const unsigned char *nonce, const unsigned char *tag)
{
	for (int i = 0; i < 12; i++)
		printf("%02x", nonce[i]);
	putchar(' ');
	for (int i = 0; i < 16; i++)
		printf("%02x", tag[i]);
	putchar('\n');
}

int main(int argc, char **argv)
{
	static const unsigned char zero[BLOCK];
	unsigned char b[BLOCK];
	int fd;

	if (argc != 2)
		errx(2, "usage: nonces SIDECAR");
	fd = open(argv[1], O_RDONLY);
	if (fd < 0)
		err(1, "%s", argv[1]);
	for (unsigned long n = 0; pread(fd, b, BLOCK, n * BLOCK) == BLOCK; n++) {
		if (!memcmp(b, zero, BLOCK))
			continue;
		if (n >= FIRST)
			print(b + 16, b);
		else if (!memcmp(b, "inocrypt", 8))
			print(b + 128, b + 144);
	}
	return 0;
}
