// SPDX-License-Identifier: GPL-2.0-only
/*
 * anonmem - fill anonymous memory, and see that it keeps its contents
 *
 * usage: anonmem PROCESSES MIB ROUNDS
 *
 * Each process has MIB of its own.  In each round all pages are compared with what they
 * have to hold, and given new contents, in an order that isn't that of their addresses.
 * Contents can't be compressed away: they depend on the page, the round and the process.
 * The processes wait for each other between rounds, so that the memory of all of them is
 * in use at once, however they are scheduled.
 * Exit code 1 if a page holds anything else.
 */
#include <err.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
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

/* Fills @mib MiB once, and then compares and fills it @rounds times. */
static void fill(uint64_t mib, uint64_t rounds, pthread_barrier_t *all)
{
	uint64_t pages = mib * 256, round, i, at = 0, x, *mem;

	mem = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		err(2, "mmap");
	for (round = 0; round <= rounds; round++) {
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
		pthread_barrier_wait(all);
	}
}

int main(int argc, char **argv)
{
	uint64_t mib, rounds;
	pthread_barrierattr_t attr;
	pthread_barrier_t *all;
	unsigned int processes, i;
	int status;

	if (argc != 4)
		errx(2, "usage: anonmem PROCESSES MIB ROUNDS");
	processes = strtoul(argv[1], NULL, 10);
	mib = strtoull(argv[2], NULL, 10);
	rounds = strtoull(argv[3], NULL, 10);
	if (!processes || !mib || !(mib * 256 % STRIDE))
		errx(2, "not sizes for this: %s processes, %s MiB", argv[1], argv[2]);
	all = mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (all == MAP_FAILED)
		err(2, "mmap");
	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(all, &attr, processes);
	for (i = 0; i < processes; i++)
		switch (fork()) {
		case -1:
			err(2, "fork");
		case 0:
			/* Nobody is left waiting if this program is killed. */
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			fill(mib, rounds, all);
			return 0;
		}
	while (wait(&status) > 0) {
		/* The others would wait for this one for ever: they end with their parent. */
		if (!WIFEXITED(status))
			errx(1, "killed by signal %d", WTERMSIG(status));
		if (WEXITSTATUS(status))
			return WEXITSTATUS(status);
	}
	return 0;
}
