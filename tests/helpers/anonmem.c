// SPDX-License-Identifier: GPL-2.0-only
/*
 * anonmem - fill anonymous memory, and see that it keeps its contents
 *
 * usage: anonmem MIB ROUNDS
 *
 * In each round all pages are compared with what they have to hold, and given new
 * contents, in an order that isn't that of their addresses.  Contents can't be
 * compressed away: they depend on the page, the round and the process.
 * Exit code 1 if a page holds anything else.
 */
#include <err.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE	4096
#define WORDS	(PAGE / sizeof(uint64_t))
#define STRIDE	1009	/* pages; a prime that divides no number of MiB below */

static uint64_t next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static uint64_t seed(uint64_t page, uint64_t round)
{
	return (page << 32 | round << 24 | (uint64_t)getpid()) + 1;
}

int main(int argc, char **argv)
{
	uint64_t pages, rounds, round, i, at = 0, x, *mem;

	if (argc != 3)
		errx(2, "usage: anonmem MIB ROUNDS");
	pages = strtoull(argv[1], NULL, 10) * 256;
	rounds = strtoull(argv[2], NULL, 10);
	if (!pages || !(pages % STRIDE))
		errx(2, "not a size for this: %s MiB", argv[1]);
	mem = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		err(2, "mmap");
	for (round = 0; round <= rounds; round++)
		for (i = 0; i < pages; i++) {
			uint64_t *page;

			at = (at + STRIDE) % pages;
			page = mem + at * WORDS;
			x = seed(at, round - 1);
			for (size_t w = 0; round && w < WORDS; w++)
				if (page[w] != next(&x))
					errx(1, "page %llu is not what it was, in round %llu",
					     (unsigned long long)at,
					     (unsigned long long)round);
			x = seed(at, round);
			for (size_t w = 0; w < WORDS; w++)
				page[w] = next(&x);
		}
	return 0;
}
