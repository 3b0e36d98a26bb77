// SPDX-License-Identifier: GPL-2.0-only
/*
 * cutblocks - writes, discards and flushes on a block device until the power
 * is cut; what every sector may hold then is in memory that outlives the cut.
 * libs: -lpthread
 *
 *	cutblocks init|verify|run -m ORACLE [-r SEED] [-t THREADS] [-z] [-x] DEV
 *
 * verify: every sector reads, as its durable version or as one written since;
 * what is found has to stay from then on.  -z: a sector that wasn't flushed may
 * also have become zeros, as torn ones do where the device writes less than a
 * sector atomically.  -x: fails too if all cuts together lost no write, or left
 * none.
 */
#include "cut.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sys/ioctl.h>

#define MAGIC		0x736b636f6c627563ULL
#define MAX_IO		(64 * 1024)
#define MAX_SECTORS	65536
#define MAX_THREADS	16
#define SHOWN		6

struct oracle {
	uint64_t magic;
	atomic_uint next_version;
	atomic_ulong nold, nnew, ntorn;	/* of unflushed ones, over all cuts */
	struct place sector[MAX_SECTORS];
};

struct worker {
	pthread_t thread;
	uint64_t rng;
	uint32_t first, count, hot;
	int fd, sync_fd;
	uint8_t *buf;
	uint32_t *dirty;	/* sectors written since the last flush */
	uint32_t ndirty;
};

static struct oracle *o;
static uint32_t sectors, ssz;
static unsigned int threads = 6;
static const char *dev;
static bool torn_ok, telling;
static uint64_t seed = 1;

static uint64_t rnd(struct worker *w)
{
	return cut_rnd(&w->rng);
}

static void *io_buf(void)
{
	void *p;

	if (posix_memalign(&p, 4096, MAX_IO))
		errx(2, "out of memory");
	return p;
}

static void flush(struct worker *w)
{
	if (fsync(w->fd))
		err(1, "%s: flush", dev);
	for (uint32_t i = 0; i < w->ndirty; i++) {
		struct place *p = &o->sector[w->dirty[i]];

		place_settle(p, place_newest(p));
	}
	w->ndirty = 0;
}

/* Before sectors are written: which versions; zeros if ZERO.  False: not now. */
static bool prepare(struct worker *w, uint32_t s, uint32_t n, bool zero)
{
	for (uint32_t i = 0; i < n; i++) {
		if (place_full(&o->sector[s + i]) || w->ndirty + n > w->count) {
			if (cut_quiet(seed))
				return false;
			flush(w);
			break;
		}
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t v = zero ? 0 : atomic_fetch_add(&o->next_version, 1);

		for (uint32_t u = 0; u < ssz / UNIT && !zero; u++)
			cut_fill(w->buf + i * ssz + u * UNIT, s + i, v, u);
		place_write(&o->sector[s + i], v);
		w->dirty[w->ndirty++] = s + i;
	}
	return true;
}

static void do_write(struct worker *w, uint32_t s, uint32_t n, bool sync)
{
	if (!prepare(w, s, n, false))
		return;
	if (pwrite(sync ? w->sync_fd : w->fd, w->buf, n * ssz,
		   (off_t)s * ssz) != n * ssz)
		err(1, "%s: write of sector %u", dev, s);
	for (uint32_t i = 0; i < n && sync; i++)
		place_settle(&o->sector[s + i], place_newest(&o->sector[s + i]));
}

static void do_clear(struct worker *w, uint32_t s, uint32_t n, bool discard)
{
	uint64_t range[2] = { (uint64_t)s * ssz, (uint64_t)n * ssz };

	if (!prepare(w, s, n, true))
		return;
	if (ioctl(w->fd, discard ? BLKDISCARD : BLKZEROOUT, range))
		err(1, "%s: %s of sector %u", dev,
		    discard ? "discard" : "zeroing", s);
}

static void do_read(struct worker *w, uint32_t s, uint32_t n)
{
	if (pread(w->fd, w->buf, n * ssz, (off_t)s * ssz) != n * ssz)
		err(1, "%s: read of sector %u", dev, s);
	for (uint32_t i = 0; i < n; i++)
		if (cut_version(w->buf + i * ssz, ssz, s + i, 0) !=
		    place_newest(&o->sector[s + i]))
			errx(1, "%s: sector %u, just written, reads wrong", dev,
			     s + i);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	w->fd = open(dev, O_RDWR | O_DIRECT | O_CLOEXEC);
	w->sync_fd = open(dev, O_RDWR | O_DIRECT | O_DSYNC | O_CLOEXEC);
	w->dirty = malloc(w->count * sizeof(*w->dirty));
	w->buf = io_buf();
	if (w->fd < 0 || w->sync_fd < 0 || !w->dirty)
		err(2, "%s", dev);
	w->hot = rnd(w) % w->count;
	for (;;) {
		bool quiet = cut_quiet(seed);
		unsigned int dice = rnd(w) % 100;
		uint32_t n = 1 + rnd(w) % (rnd(w) % 8 ? 6 : MAX_IO / ssz);
		uint32_t s = w->hot + rnd(w) % (w->count / 8);

		cut_operations++;
		/* Most of it where it was written before. */
		if (rnd(w) % 64 == 0)
			w->hot = rnd(w) % w->count;
		if (rnd(w) % 4 == 0)
			s = rnd(w);
		s %= w->count;
		if (n > w->count - s)
			n = w->count - s;
		s += w->first;
		if (dice < 62)
			do_write(w, s, n, false);
		else if (dice < 74)
			do_write(w, s, n, !quiet);
		else if (dice < 82)
			do_clear(w, s, n, dice % 2);
		else if (dice < 92 && !quiet)
			flush(w);
		else
			do_read(w, s, n);
	}
	return NULL;
}

static void run(void)
{
	static struct worker w[MAX_THREADS];

	for (unsigned int i = 0; i < threads; i++) {
		w[i].rng = cut_seed(seed, i);
		w[i].first = sectors / threads * i;
		w[i].count = sectors / threads;
		if (pthread_create(&w[i].thread, NULL, work, &w[i]))
			errx(2, "pthread_create");
	}
	pthread_join(w[0].thread, NULL);
}

static unsigned long nerrors, nwrong;

static void judge(uint32_t s, const uint8_t *got, int error)
{
	struct place *p = &o->sector[s];
	int64_t v = got ? cut_version(got, ssz, s, 0) : -1;

	if (got && place_may_be(p, v)) {
		if (p->n && v != p->durable)
			o->nnew++;
		else if (p->n)
			o->nold++;
		place_settle(p, v);
		return;
	}
	if (torn_ok && v == 0 && p->n) {
		o->ntorn++;
		place_settle(p, 0);
		return;
	}
	if (nerrors + nwrong < SHOWN) {
		uint64_t q[2] = { 0 };

		printf("sector %u: ", s);
		if (got) {
			memcpy(q, got, sizeof(q));
			printf("holds%s sector %" PRIu64 " version %u, ",
			       v < 0 ? " something, perhaps of" : "", q[0],
			       (uint32_t)q[1]);
		} else {
			printf("%s, ", strerror(error));
		}
		place_print(stdout, p);
		putchar('\n');
	}
	if (got)
		nwrong++;
	else
		nerrors++;
}

static int verify(void)
{
	int fd = open(dev, O_RDONLY | O_DIRECT | O_CLOEXEC);
	uint32_t step = MAX_IO / ssz;
	uint8_t *buf = io_buf();

	if (fd < 0)
		err(2, "%s", dev);
	for (uint32_t s = 0; s < sectors; s += step) {
		uint32_t n = sectors - s < step ? sectors - s : step;
		bool all = pread(fd, buf, n * ssz, (off_t)s * ssz) == n * ssz;

		for (uint32_t i = 0; i < n; i++) {
			uint8_t *p = buf + i * ssz;
			bool good = all || pread(fd, p, ssz, (off_t)(s + i) *
						 ssz) == ssz;

			judge(s + i, good ? p : NULL, errno);
		}
	}
	printf("blocks: %u versions; not flushed, over all cuts: ", o->next_version);
	printf("%lu as before, %lu written, %lu torn", o->nold, o->nnew, o->ntorn);
	if (nerrors + nwrong)
		printf("; FAILED: %lu errors, %lu wrong", nerrors, nwrong);
	putchar('\n');
	return nerrors + nwrong || (telling && (!o->nold || !o->nnew));
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "", *oracle = NULL;
	uint64_t bytes;
	int c, fd, size;

	optind = 2;
	while ((c = getopt(argc, argv, "m:r:t:zx")) != -1)
		switch (c) {
		case 'm':
			oracle = optarg;
			break;
		case 'r':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 't':
			threads = strtoul(optarg, NULL, 0);
			break;
		case 'x':
			telling = true;
			break;
		case 'z':
			torn_ok = true;
			break;
		default:
			return 2;
		}
	if (optind + 1 != argc || !oracle || !threads || threads > MAX_THREADS)
		errx(2, "see the comment at the top of cutblocks.c");
	dev = argv[optind];
	fd = open(dev, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes) ||
	    ioctl(fd, BLKSSZGET, &size))
		err(2, "%s", dev);
	close(fd);
	ssz = size;
	sectors = bytes / ssz < MAX_SECTORS ? bytes / ssz : MAX_SECTORS;
	o = cut_oracle(oracle, sizeof(*o));
	if (!strcmp(mode, "init")) {
		memset(o, 0, sizeof(*o));
		o->next_version = 1;
		o->magic = MAGIC;
		return 0;
	}
	if (o->magic != MAGIC)
		errx(2, "%s: no oracle", oracle);
	if (!strcmp(mode, "verify"))
		return verify();
	if (!strcmp(mode, "run"))
		run();
	errx(2, "%s: no such mode", mode);
}
