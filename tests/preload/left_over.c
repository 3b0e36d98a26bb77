// SPDX-License-Identifier: GPL-2.0-only
/*
 * left_over.so - for LD_PRELOAD: as the program ends, looks for a secret in all of its
 * memory that can be written to, and reports where it still is (exit code 98).
 *
 * LEFT_OVER is the secret in hexadecimal, inverted, so that it is nowhere in memory by
 * that itself.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_SECRET	64
#define CHUNK		65536

/* Its own page, which isn't looked at. */
static struct {
	unsigned char secret[MAX_SECRET];
	unsigned char chunk[CHUNK + MAX_SECRET];
} own __attribute__((aligned(4096)));

static size_t parse(const char *hex)
{
	size_t n = 0;
	unsigned int byte;

	for (; n < MAX_SECRET && sscanf(hex + 2 * n, "%2x", &byte) == 1; n++)
		own.secret[n] = ~byte;
	return n;
}

static int scan(int mem, unsigned long at, unsigned long end, size_t len)
{
	while (at + len <= end) {
		size_t want = end - at < sizeof(own.chunk) ? end - at : sizeof(own.chunk);
		ssize_t n = pread(mem, own.chunk, want, at);
		unsigned char *hit;

		if (n < (ssize_t)len)
			return 0;
		hit = memmem(own.chunk, n, own.secret, len);
		if (hit) {
			fprintf(stderr, "left over: the secret is at %lx\n",
				at + (hit - own.chunk));
			return 1;
		}
		at += n - len + 1;
	}
	return 0;
}

__attribute__((destructor)) static void look(void)
{
	const char *hex = getenv("LEFT_OVER");
	unsigned long from, to, mine = (unsigned long)&own;
	int mem = open("/proc/self/mem", O_RDONLY);
	FILE *maps = fopen("/proc/self/maps", "r");
	size_t len = hex ? parse(hex) : 0;
	char line[4096], perms[8];
	int found = 0;

	if (!len)
		return;
	if (mem < 0 || !maps)
		abort();
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %7s", &from, &to, perms) != 3 || perms[1] != 'w')
			continue;
		if (mine >= from && mine < to) {
			found |= scan(mem, from, mine, len);
			from = mine + sizeof(own);
		}
		found |= scan(mem, from, to, len);
	}
	if (found)
		_exit(98);
}
