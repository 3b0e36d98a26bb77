// SPDX-License-Identifier: GPL-2.0-only
/*
 * racer - threads that write, read, discard and zero the same few sectors of a block
 * device all at once.
 * libs: -lpthread
 *
 * usage: racer DEV SECTORSIZE SECONDS
 *
 * A read has to see one whole write of that sector, or zeros; never a mixture, another
 * sector's data, or an error.  And what a thread reads of a sector never goes back: once
 * it saw a write, no write that had ended before that one began may come again.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define SECTORS	16
#define SPAN	4	/* sectors in one request, at most */
#define THREADS	8

static const char *dev;
static unsigned int size;
static time_t end;
static atomic_bool failed;
static _Atomic uint64_t clock_now = 1;
static atomic_ulong reads, writes, clears;

/* The greatest start among writes and clears of a sector that have ended. */
static _Atomic uint64_t ended[SECTORS];

static void raise_to(_Atomic uint64_t *at, uint64_t v)
{
	uint64_t old = atomic_load(at);

	while (old < v && !atomic_compare_exchange_weak(at, &old, v))
		;
}

static void fill(uint64_t *buf, uint64_t sector, uint64_t stamp)
{
	for (unsigned int i = 0; i < size / 8; i++)
		buf[i] = i % 2 ? stamp : sector ^ i;
}

static void complain(const char *what, uint64_t sector)
{
	if (!atomic_exchange(&failed, true))
		fprintf(stderr, "racer: %s, sector %" PRIu64 "\n", what, sector);
}

/*
 * @stamp is when the write began.  It is too old if another operation that began after
 * this write had ended was itself at its end before our read began; a write's end isn't
 * in its data, so each stamp's end is kept in a table.
 */
#define STAMPS	4194304
static _Atomic uint64_t end_of[STAMPS];

static void judge(const uint64_t *buf, uint64_t sector, uint64_t last_start)
{
	uint64_t stamp = buf[1];
	bool zero = true;

	for (unsigned int i = 0; i < size / 8 && zero; i++)
		zero = !buf[i];
	if (zero)
		return;
	for (unsigned int i = 0; i < size / 8; i++)
		if (buf[i] != (i % 2 ? stamp : sector ^ i)) {
			complain("neither one write nor zeros", sector);
			return;
		}
	if (!stamp || stamp >= STAMPS) {
		complain("data that nobody wrote", sector);
		return;
	}
	if (end_of[stamp] && end_of[stamp] < last_start)
		complain("an overwritten write came back", sector);
}

static void *run(void *arg)
{
	unsigned int seed = (uintptr_t)arg + 1;
	int fd = open(dev, O_RDWR | O_DIRECT);
	uint64_t *buf;

	if (fd < 0 || posix_memalign((void **)&buf, 4096, SPAN * size))
		errx(2, "%s: %s", dev, strerror(errno));
	while (!failed && time(NULL) < end) {
		uint64_t first = rand_r(&seed) % SECTORS, last_start[SPAN], t;
		unsigned int n = 1 + rand_r(&seed) % SPAN, op = rand_r(&seed) % 8;
		uint64_t range[2];

		if (first + n > SECTORS)
			n = SECTORS - first;
		if (op < 4) {
			for (unsigned int i = 0; i < n; i++)
				last_start[i] = ended[first + i];
			if (pread(fd, buf, n * size, first * size) != (ssize_t)(n * size)) {
				complain("read error", first);
				break;
			}
			for (unsigned int i = 0; i < n; i++)
				judge(buf + i * size / 8, first + i, last_start[i]);
			reads++;
			continue;
		}
		t = atomic_fetch_add(&clock_now, 1);
		if (t >= STAMPS - 1)
			break;
		if (op < 7) {
			for (unsigned int i = 0; i < n; i++)
				fill(buf + i * size / 8, first + i, t);
			if (pwrite(fd, buf, n * size, first * size) != (ssize_t)(n * size)) {
				complain("write error", first);
				break;
			}
			end_of[t] = atomic_fetch_add(&clock_now, 1);
			writes++;
		} else {
			range[0] = first * size;
			range[1] = n * size;
			if (ioctl(fd, rand_r(&seed) % 2 ? BLKDISCARD : BLKZEROOUT, range)) {
				complain("discard error", first);
				break;
			}
			clears++;
		}
		for (unsigned int i = 0; i < n; i++)
			raise_to(&ended[first + i], t);
	}
	free(buf);
	close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread[THREADS];

	if (argc != 4)
		errx(2, "usage: racer DEV SECTORSIZE SECONDS");
	dev = argv[1];
	size = atoi(argv[2]);
	end = time(NULL) + atoi(argv[3]);
	for (uintptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, run, (void *)i))
			err(2, "pthread_create");
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	printf("%lu reads, %lu writes, %lu discards and zeroings of %d sectors\n",
	       reads, writes, clears, SECTORS);
	return failed;
}
