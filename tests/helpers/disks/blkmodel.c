// SPDX-License-Identifier: GPL-2.0-only
/*
 * blkmodel - random writes, reads, discards, zeroings and flushes on a block
 * device, checked against a model in memory.
 * libs: -lpthread
 *
 * Every sector's contents follow from its number and a version; the model is
 * one version for each sector, 0 meaning zeros.  Threads work on disjoint parts
 * of the device.  With -m the model is read from FILE if it is there and
 * written back after a last flush, so that a later run can go on from it.
 *
 * -C ("crash"): the model is written to FILE after a flush; from then on only
 * sectors of odd 1 MiB stretches are written, until something kills us.  -A
 * ("after") checks what a crash may leave: even stretches as the model says; in
 * odd ones the old or a newer version of just that sector, or zeros, which is what a
 * torn sector without an owner becomes; never an error.
 *
 * -E ("errors"): what fails is tried again, up to RETRIES times; what succeeds
 * has to be right.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
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

#define MAX_IO		(512 * 1024)
#define CHUNK		(64 * 1024)
#define STRETCH		(1024 * 1024)
#define MAX_THREADS	16
#define MEM_SLACK	4096
#define RETRIES		500

struct header {
	char	magic[8];
	uint64_t sectors;
	uint64_t next_version;
};

static struct {
	const char *dev, *model;
	unsigned long ops, seconds, threads, seed, align;
	bool buffered, verify, crash, after, no_discard, retry;
} opt = { .ops = 1000, .threads = 2, .seed = 1 };

static uint32_t *version;
static uint64_t sectors, bytes;
static unsigned int ssz;
static _Atomic uint32_t next_version = 1;
static atomic_bool failed;
static atomic_ulong counts[6], failures;
static time_t deadline;

enum { WRITE, READ, DISCARD, ZERO, FLUSH, BIG };

struct worker {
	pthread_t thread;
	unsigned int nr;
	uint64_t rng, first, count;
	uint8_t *buf, *want;
	int fd;
};

static uint64_t rnd(struct worker *w)
{
	w->rng ^= w->rng << 13;
	w->rng ^= w->rng >> 7;
	w->rng ^= w->rng << 17;
	return w->rng >> 8;
}

static void fill(uint8_t *p, uint64_t sector, uint32_t v)
{
	uint64_t x = (sector + 1) * 0x9e3779b97f4a7c15ULL + v;
	uint64_t *q = (uint64_t *)p;

	if (!v) {
		memset(p, 0, ssz);
		return;
	}
	q[0] = sector;
	q[1] = v;
	for (unsigned int i = 2; i < ssz / 8; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		q[i] = x;
	}
}

static void complain(const char *what, uint64_t sector, const uint8_t *got,
		     uint32_t want)
{
	const uint64_t *q = (const uint64_t *)got;

	if (atomic_exchange(&failed, true))
		return;
	fprintf(stderr, "blkmodel: %s at sector %" PRIu64 ": want version %u",
		what, sector, want);
	if (got)
		fprintf(stderr, ", got sector %" PRIu64 " version %" PRIu64,
			q[0], q[1]);
	else
		fprintf(stderr, ": %s", strerror(errno));
	fputc('\n', stderr);
}

/* Whether to try again what failed @tries times. */
static bool again(unsigned int *tries)
{
	failures++;
	if (!opt.retry || ++*tries > RETRIES)
		return false;
	usleep(1000);
	return true;
}

static bool check(struct worker *w, const uint8_t *got, uint64_t first,
		  uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		fill(w->want, first + i, version[first + i]);
		if (memcmp(w->want, got + i * ssz, ssz)) {
			complain("wrong data", first + i, got + i * ssz,
				 version[first + i]);
			return false;
		}
	}
	return true;
}

/* A memory address as unaligned as the device allows. */
static uint8_t *io_mem(struct worker *w)
{
	unsigned long step = opt.align ? opt.align : MEM_SLACK;

	return w->buf + rnd(w) % (MEM_SLACK / step) * step;
}

static bool do_write(struct worker *w, uint64_t first, uint64_t n)
{
	uint8_t *p = io_mem(w);
	unsigned int tries = 0;

	for (uint64_t i = 0; i < n; i++) {
		uint32_t v = atomic_fetch_add(&next_version, 1);

		fill(p + i * ssz, first + i, v);
		if (!opt.crash || !opt.after)
			version[first + i] = v;
	}
	while (pwrite(w->fd, p, n * ssz, first * ssz) != (ssize_t)(n * ssz)) {
		if (again(&tries))
			continue;
		complain("write error", first, NULL, version[first]);
		return false;
	}
	return true;
}

static bool do_read(struct worker *w, uint64_t first, uint64_t n)
{
	uint8_t *p = io_mem(w);
	unsigned int tries = 0;

	memset(p, 0x5a, n * ssz);
	while (pread(w->fd, p, n * ssz, first * ssz) != (ssize_t)(n * ssz)) {
		if (again(&tries))
			continue;
		complain("read error", first, NULL, version[first]);
		return false;
	}
	return check(w, p, first, n);
}

static bool do_clear(struct worker *w, uint64_t first, uint64_t n, bool zero)
{
	uint64_t range[2] = { first * ssz, n * ssz };
	unsigned int tries = 0;

	memset(version + first, 0, n * sizeof(*version));
	while (ioctl(w->fd, zero ? BLKZEROOUT : BLKDISCARD, range)) {
		if (again(&tries))
			continue;
		complain(zero ? "BLKZEROOUT" : "BLKDISCARD", first, NULL, 0);
		return false;
	}
	return true;
}

static bool do_flush(struct worker *w)
{
	unsigned int tries = 0;

	while (fsync(w->fd)) {
		if (again(&tries))
			continue;
		complain("fsync", 0, NULL, 0);
		return false;
	}
	return true;
}

static bool one_op(struct worker *w)
{
	unsigned int max = MAX_IO / ssz, per_page = 4096 / ssz;
	uint64_t n, first;
	unsigned int dice = rnd(w) % 1000;

	n = 1 + rnd(w) % (rnd(w) % 8 ? 16 : max);
	if (n > w->count)
		n = w->count;
	first = w->first + rnd(w) % (w->count - n + 1);
	if (opt.buffered) {
		first -= first % per_page;
		n += per_page - 1;
		n -= n % per_page;
		if (first + n > w->first + w->count)
			n = w->first + w->count - first;
	}
	if (n > max)
		n = max;
	if (dice < 550) {
		counts[WRITE]++;
		return do_write(w, first, n);
	}
	if (dice < 850 || (opt.no_discard && dice < 970)) {
		counts[READ]++;
		return do_read(w, first, n);
	}
	if (dice < 910) {
		counts[DISCARD]++;
		/* From within a leaf to several of them. */
		return do_clear(w, first, n, false);
	}
	if (dice < 970) {
		counts[ZERO]++;
		return do_clear(w, first, n, true);
	}
	if (dice < 996 || opt.no_discard) {
		counts[FLUSH]++;
		return do_flush(w);
	}
	/* Most of our part: whole subtrees, with ragged ends. */
	counts[BIG]++;
	n = w->count - rnd(w) % (w->count / 16 + 1);
	first = w->first + rnd(w) % (w->count - n + 1);
	if (opt.buffered) {
		first += per_page - 1;
		first -= first % per_page;
		n = (w->first + w->count - first) / per_page * per_page;
	}
	return do_clear(w, first, n, rnd(w) % 2);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	for (unsigned long i = 0; i < opt.ops && !failed; i++) {
		if (deadline && time(NULL) >= deadline)
			break;
		if (!one_op(w))
			break;
	}
	return NULL;
}

static void worker_init(struct worker *w, unsigned int nr)
{
	uint64_t unit = 4096 / ssz, part = sectors / unit / opt.threads * unit;
	int flags = O_RDWR | (opt.buffered ? 0 : O_DIRECT);

	if (opt.verify || opt.after)
		flags = O_RDONLY | O_DIRECT;
	w->nr = nr;
	w->rng = (opt.seed * 1000 + nr + 1) * 0x9e3779b97f4a7c15ULL;
	w->first = nr * part;
	w->count = nr == opt.threads - 1 ? sectors - w->first : part;
	w->fd = open(opt.dev, flags | O_CLOEXEC);
	if (w->fd < 0)
		err(2, "%s", opt.dev);
	if (posix_memalign((void **)&w->buf, 4096, MAX_IO + MEM_SLACK) ||
	    posix_memalign((void **)&w->want, 4096, 4096))
		errx(2, "out of memory");
}

static void run_threads(struct worker *w)
{
	for (unsigned int i = 0; i < opt.threads; i++) {
		worker_init(&w[i], i);
		if (pthread_create(&w[i].thread, NULL, work, &w[i]))
			errx(2, "pthread_create");
	}
	for (unsigned int i = 0; i < opt.threads; i++)
		pthread_join(w[i].thread, NULL);
}

static bool verify_all(struct worker *w)
{
	uint64_t step = MAX_IO / ssz;

	for (uint64_t s = 0; s < sectors; s += step) {
		uint64_t n = sectors - s < step ? sectors - s : step;
		unsigned int tries = 0;

		while (pread(w->fd, w->buf, n * ssz, s * ssz) !=
		       (ssize_t)(n * ssz)) {
			if (again(&tries))
				continue;
			complain("read error", s, NULL, version[s]);
			return false;
		}
		if (!check(w, w->buf, s, n))
			return false;
	}
	return true;
}

static bool is_odd(uint64_t sector)
{
	return sector * ssz / STRETCH % 2;
}

/* What a crash may have made of one sector of an odd stretch. */
static bool plausible(struct worker *w, const uint8_t *got, uint64_t s,
		      uint64_t saved_next)
{
	uint64_t v = ((const uint64_t *)got)[1];

	fill(w->want, s, version[s]);
	if (!memcmp(w->want, got, ssz))
		return true;
	if (v < saved_next || v > UINT32_MAX)
		return false;
	fill(w->want, s, v);
	return !memcmp(w->want, got, ssz);
}

static bool verify_after(struct worker *w, uint64_t saved_next)
{
	unsigned long same = 0, newer = 0, torn = 0;
	uint64_t start = 0, end = 0;
	bool all = false;
	uint8_t *big;

	if (posix_memalign((void **)&big, 4096, CHUNK))
		errx(2, "out of memory");
	for (uint64_t s = 0; s < sectors; s++) {
		bool old, zero;

		if (s >= end) {
			end = s + CHUNK / ssz < sectors ? s + CHUNK / ssz :
							  sectors;
			all = pread(w->fd, big, (end - s) * ssz, s * ssz) ==
			      (ssize_t)((end - s) * ssz);
			start = s;
		}
		if (all) {
			memcpy(w->buf, big + (s - start) * ssz, ssz);
		} else if (pread(w->fd, w->buf, ssz, s * ssz) != ssz) {
			complain("read error", s, NULL, version[s]);
			return false;
		}
		fill(w->want, s, 0);
		zero = !memcmp(w->want, w->buf, ssz);
		fill(w->want, s, version[s]);
		old = !memcmp(w->want, w->buf, ssz);
		if (!old && !(is_odd(s) &&
			      (zero || plausible(w, w->buf, s, saved_next)))) {
			complain("wrong data", s, w->buf, version[s]);
			return false;
		}
		same += old;
		torn += !old && zero;
		newer += !old && !zero;
	}
	printf("after the cut: %lu as at the flush, %lu newer, %lu zeros, none wrong\n",
	       same, newer, torn);
	return true;
}

static void model_load(void)
{
	FILE *f = opt.model ? fopen(opt.model, "r") : NULL;
	struct header h;

	version = calloc(sectors, sizeof(*version));
	if (!version)
		errx(2, "out of memory");
	if (!f) {
		if (opt.verify || opt.after)
			err(2, "%s", opt.model);
		return;
	}
	if (fread(&h, sizeof(h), 1, f) != 1 || h.sectors != sectors ||
	    fread(version, sizeof(*version), sectors, f) != sectors)
		errx(2, "%s doesn't fit the device", opt.model);
	next_version = h.next_version;
	fclose(f);
}

static void model_save(void)
{
	struct header h = { "blkmodel", sectors, next_version };
	FILE *f;

	if (!opt.model)
		return;
	f = fopen(opt.model, "w");
	if (!f || fwrite(&h, sizeof(h), 1, f) != 1 ||
	    fwrite(version, sizeof(*version), sectors, f) != sectors ||
	    fflush(f) || fsync(fileno(f)) || fclose(f))
		err(2, "%s", opt.model);
}

/* Durable state saved: write odd stretches until the power goes. */
static int crash(struct worker *w)
{
	if (!do_flush(w))
		return 1;
	model_save();
	opt.after = true;	/* do_write() leaves the model alone */
	puts("ready");
	fflush(stdout);
	for (;;) {
		uint64_t s = rnd(w) % sectors;
		uint64_t n = 1 + rnd(w) % 8, i;

		for (i = 0; i < n; i++)
			if (s + i >= sectors || !is_odd(s + i))
				break;
		if (i && !do_write(w, s, i))
			return 1;
	}
}

static void options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "o:T:t:r:m:a:bvCADE")) != -1)
		switch (c) {
		case 'o':
			opt.ops = strtoul(optarg, NULL, 0);
			break;
		case 'T':
			opt.seconds = strtoul(optarg, NULL, 0);
			break;
		case 't':
			opt.threads = strtoul(optarg, NULL, 0);
			break;
		case 'r':
			opt.seed = strtoul(optarg, NULL, 0);
			break;
		case 'a':
			opt.align = strtoul(optarg, NULL, 0);
			break;
		case 'm':
			opt.model = optarg;
			break;
		case 'b':
			opt.buffered = true;
			break;
		case 'v':
			opt.verify = true;
			break;
		case 'C':
			opt.crash = true;
			break;
		case 'A':
			opt.after = true;
			break;
		case 'D':
			opt.no_discard = true;
			break;
		case 'E':
			opt.retry = true;
			break;
		default:
			goto usage;
		}
	if (optind + 1 == argc && opt.threads && opt.threads <= MAX_THREADS) {
		opt.dev = argv[optind];
		return;
	}
usage:
	fputs("usage: blkmodel [-o OPS] [-T SECONDS] [-t THREADS] [-r SEED]\n"
	      "\t[-m MODELFILE] [-a MEMORY ALIGNMENT] [-b (buffered)]\n"
	      "\t[-D (no discards)] [-E (retry)] [-v (verify) | -C (crash) | -A (after)] DEV\n",
	      stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	static struct worker w[MAX_THREADS], check_worker;
	bool good;
	int fd, n;

	options(argc, argv);
	fd = open(opt.dev, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err(2, "%s", opt.dev);
	if (ioctl(fd, BLKGETSIZE64, &bytes) || ioctl(fd, BLKSSZGET, &n))
		err(2, "%s", opt.dev);
	close(fd);
	ssz = n;
	sectors = bytes / ssz;
	if (opt.seconds) {
		deadline = time(NULL) + opt.seconds;
		opt.ops = ULONG_MAX;
	}
	model_load();
	worker_init(&check_worker, MAX_THREADS);
	check_worker.rng = (opt.seed + 77) * 0x9e3779b97f4a7c15ULL;
	if (opt.after)
		return !verify_after(&check_worker, next_version);
	if (opt.verify)
		return !verify_all(&check_worker);
	run_threads(w);
	if (failed)
		return 1;
	if (opt.crash)
		return crash(&check_worker);
	good = do_flush(&check_worker) && verify_all(&check_worker);
	model_save();
	printf("%lu writes, %lu reads, %lu discards, %lu zeroings, ",
	       counts[WRITE], counts[READ], counts[DISCARD], counts[ZERO]);
	printf("%lu flushes, %lu of whole parts", counts[FLUSH], counts[BIG]);
	if (opt.retry)
		printf(", %lu failed and were tried again", failures);
	putchar('\n');
	return !good;
}
