// SPDX-License-Identifier: GPL-2.0-only
/*
 * cutfiles - file operations with fsync, fdatasync, O_DSYNC and without, until
 * the power is cut; what every file may hold then is in memory that outlives
 * the cut.
 * libs: -lpthread
 *
 *	cutfiles init|verify|run -m ORACLE [-r SEED] [-t THREADS] [-u BYTES] [-x] DIR...
 *
 * Thread i works in DIR(i modulo their number)/t<i>.  Its block files are
 * written by whole blocks: each block may hold its durable version or one
 * written since; the size lies between the durable one and the newest.
 * Operations that change names or shift blocks are done on a file with nothing
 * pending: until they are durable there are two shapes it may have.  Its tail
 * files only grow, by bytes.  -u: what is written atomically, if less than a
 * block.  -x: fails too if all cuts together lost no write, or left none.
 */
#include "cut.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/stat.h>

#define MAGIC		0x73656c6966747563ULL
#define MAX_THREADS	12
#define SLOTS		6
#define TAILS		2
#define BLOCKS		48
#define BSZ		4096
#define TAIL_MAX	(192 * 1024)
#define SHOWN		8

struct shape {
	uint32_t exists, name;
	atomic_uint size_lo, size_hi;	/* blocks */
	struct place block[BLOCKS];
};

struct slot {
	atomic_uint allowed;		/* bit i: shape[i] */
	struct shape shape[2];
};

struct tail {
	atomic_uint must_exist, gen, lo, hi;	/* bytes */
};

struct oracle {
	uint64_t magic;
	atomic_uint next_version, threads;
	atomic_ulong nold, nnew, nshapes;	/* of unsynced ones, over all cuts */
	struct area {
		struct slot slot[SLOTS];
		struct tail tail[TAILS];
	} area[MAX_THREADS];
};

struct worker {
	pthread_t thread;
	struct area *a;
	uint64_t rng;
	unsigned int nr;
	int dirfd;
	char path[512];
	uint8_t *buf;
};

static struct oracle *o;
static unsigned int unit = BSZ;
static uint64_t seed = 1;

static uint64_t rnd(struct worker *w)
{
	return cut_rnd(&w->rng);
}

static void name_of(char *name, unsigned int slot, unsigned int nr)
{
	sprintf(name, "%c%u", nr ? 'g' : 'f', slot);
}

static uint64_t tag_of(const struct worker *w, unsigned int slot)
{
	return 0xcf00000000ULL + w->nr * 1000 + slot;
}

static __attribute__((noreturn, format(printf, 3, 4)))
void oops(struct worker *w, unsigned int slot, const char *fmt, ...)
{
	int e = errno;
	va_list ap;

	flockfile(stderr);
	fprintf(stderr, "cutfiles: %s: file %u: ", w->path, slot);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, ": %s\n", strerror(e));
	exit(1);
}

static struct shape *cur(struct slot *s)
{
	return &s->shape[s->allowed == 2];
}

static int open_slot(struct worker *w, unsigned int i, int flags)
{
	char name[16];
	int fd;

	name_of(name, i, cur(&w->a->slot[i])->name);
	fd = openat(w->dirfd, name, flags | O_CLOEXEC);
	if (fd < 0)
		oops(w, i, "open %s", name);
	return fd;
}

static void settle_shape(struct shape *sh)
{
	for (unsigned int b = 0; b < BLOCKS; b++)
		place_settle(&sh->block[b], place_newest(&sh->block[b]));
	sh->size_lo = sh->size_hi;
}

/* All of it durable, one shape. */
static void settle(struct worker *w, unsigned int i, bool datasync)
{
	struct slot *s = &w->a->slot[i];
	bool two = s->allowed == 3;
	struct shape *sh;
	int fd;

	/* The second of two is how it is now: complex() sees to that. */
	if (two && s->shape[1].exists) {
		char name[16];

		name_of(name, i, s->shape[1].name);
		fd = openat(w->dirfd, name, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			oops(w, i, "open %s", name);
	} else {
		fd = !two && cur(s)->exists ? open_slot(w, i, O_RDWR) : -1;
	}
	if (fd >= 0) {
		if (datasync && !two ? fdatasync(fd) : fsync(fd))
			oops(w, i, "fsync");
		close(fd);
	}
	if (two) {
		if (fsync(w->dirfd))
			oops(w, i, "fsync of the directory");
		s->allowed = 2;
	}
	sh = cur(s);
	settle_shape(sh);
}

/* A copy to change, in shape[1]; nothing is pending. */
static struct shape *second(struct worker *w, unsigned int i)
{
	struct slot *s = &w->a->slot[i];

	settle(w, i, false);
	if (s->allowed == 2) {
		memcpy(&s->shape[0], &s->shape[1], sizeof(s->shape[0]));
		s->allowed = 1;
	}
	memcpy(&s->shape[1], &s->shape[0], sizeof(s->shape[1]));
	return &s->shape[1];
}

static void set_size(struct shape *sh, uint32_t size)
{
	for (uint32_t b = size; b < BLOCKS; b++)
		place_settle(&sh->block[b], 0);
	sh->size_lo = size;
	sh->size_hi = size;
}

static uint32_t fill_block(struct worker *w, unsigned int i, uint8_t *p)
{
	uint32_t v = atomic_fetch_add(&o->next_version, 1);

	for (unsigned int u = 0; u < BSZ / UNIT; u++)
		cut_fill(p + u * UNIT, tag_of(w, i), v, u);
	return v;
}

/* For one more version of each; false: that would take a sync, and not now. */
static bool make_room(struct worker *w, unsigned int i, uint32_t at, uint32_t n,
		      bool quiet)
{
	struct shape *sh = cur(&w->a->slot[i]);

	for (uint32_t b = at; b < at + n; b++) {
		if (!place_full(&sh->block[b]))
			continue;
		if (quiet)
			return false;
		settle(w, i, true);
		break;
	}
	return true;
}

enum { BUFFERED, PUSHED, DIRECT, DSYNC, DIRECT_DSYNC, KINDS };

static void do_write(struct worker *w, unsigned int i)
{
	static const int flags[KINDS] = {
		0, 0, O_DIRECT, O_DSYNC, O_DIRECT | O_DSYNC,
	};
	struct shape *sh = cur(&w->a->slot[i]);
	uint32_t n = 1 + rnd(w) % 6, at = rnd(w) % BLOCKS;
	bool quiet = cut_quiet(seed);
	unsigned int kind = rnd(w) % (quiet ? DSYNC : KINDS);
	int fd;

	if (rnd(w) % 2)
		at = sh->size_hi;	/* append */
	else if (sh->size_hi && rnd(w) % 4)
		at = rnd(w) % sh->size_hi;
	if (at >= BLOCKS)
		at = rnd(w) % BLOCKS;
	if (n > BLOCKS - at)
		n = BLOCKS - at;
	if (!make_room(w, i, at, n, quiet))
		return;
	for (uint32_t b = 0; b < n; b++)
		place_write(&sh->block[at + b], fill_block(w, i, w->buf + b * BSZ));
	if (at + n > sh->size_hi)
		sh->size_hi = at + n;
	fd = open_slot(w, i, O_RDWR | flags[kind]);
	if (pwrite(fd, w->buf, n * BSZ, (off_t)at * BSZ) != (ssize_t)n * BSZ)
		oops(w, i, "write, flags %#o", flags[kind]);
	if (kind == PUSHED &&
	    sync_file_range(fd, (off_t)at * BSZ, n * BSZ, SYNC_FILE_RANGE_WRITE |
			    (rnd(w) % 2 ? SYNC_FILE_RANGE_WAIT_AFTER : 0)))
		oops(w, i, "sync_file_range");
	close(fd);
	if (!(flags[kind] & O_DSYNC))
		return;
	for (uint32_t b = at; b < at + n; b++)
		place_settle(&sh->block[b], place_newest(&sh->block[b]));
	if (sh->size_lo < at + n)
		sh->size_lo = at + n;
}

static void do_zero(struct worker *w, unsigned int i)
{
	struct shape *sh = cur(&w->a->slot[i]);
	uint32_t at, n = 1 + rnd(w) % 12;
	int mode = rnd(w) % 2 ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;
	int fd;

	if (!sh->size_hi)
		return;
	at = rnd(w) % sh->size_hi;
	if (n > sh->size_hi - at)
		n = sh->size_hi - at;
	if (!make_room(w, i, at, n, cut_quiet(seed)))
		return;
	for (uint32_t b = at; b < at + n; b++)
		place_write(&sh->block[b], 0);
	fd = open_slot(w, i, O_RDWR);
	if (fallocate(fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)at * BSZ,
		      (off_t)n * BSZ))
		oops(w, i, "fallocate %#x", mode);
	close(fd);
}

static void do_read(struct worker *w, unsigned int i)
{
	struct shape *sh = cur(&w->a->slot[i]);
	int fd = open_slot(w, i, O_RDONLY | (rnd(w) % 4 ? 0 : O_DIRECT));
	ssize_t n = pread(fd, w->buf, BLOCKS * BSZ, 0);

	if (n != (ssize_t)sh->size_hi * BSZ)
		oops(w, i, "read: %zd bytes of %u blocks", n, sh->size_hi);
	close(fd);
	for (uint32_t b = 0; b < sh->size_hi; b++)
		if (cut_version(w->buf + b * BSZ, BSZ, tag_of(w, i), 0) !=
		    place_newest(&sh->block[b]))
			oops(w, i, "block %u, just written, reads wrong", b);
}

static void do_collapse(struct worker *w, unsigned int i)
{
	struct slot *s = &w->a->slot[i];
	struct shape *sh = second(w, i);
	uint32_t at, n;
	int fd;

	if (sh->size_hi < 2)
		return;
	at = rnd(w) % (sh->size_hi - 1);
	n = 1 + rnd(w) % (sh->size_hi - 1 - at);
	for (uint32_t b = at; b + n < sh->size_hi; b++)
		place_settle(&sh->block[b], sh->block[b + n].durable);
	set_size(sh, sh->size_hi - n);
	fd = open_slot(w, i, O_RDWR);
	s->allowed = 3;
	if (fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, (off_t)at * BSZ,
		      (off_t)n * BSZ))
		oops(w, i, "collapse");
	close(fd);
}

static void do_truncate(struct worker *w, unsigned int i)
{
	struct slot *s = &w->a->slot[i];
	struct shape *sh = second(w, i);
	uint32_t size = rnd(w) % (BLOCKS + 1);
	int fd = open_slot(w, i, O_RDWR);

	if (size > sh->size_hi && rnd(w) % 4)
		size = sh->size_hi ? rnd(w) % sh->size_hi : 0;
	set_size(sh, size);
	s->allowed = 3;
	if (ftruncate(fd, (off_t)size * BSZ))
		oops(w, i, "truncate");
	close(fd);
}

static void do_rename(struct worker *w, unsigned int i)
{
	struct slot *s = &w->a->slot[i];
	struct shape *sh = second(w, i);
	char from[16], to[16];

	name_of(from, i, sh->name);
	sh->name = !sh->name;
	name_of(to, i, sh->name);
	s->allowed = 3;
	if (renameat(w->dirfd, from, w->dirfd, to))
		oops(w, i, "rename %s %s", from, to);
}

/* The usual way to replace a file in one step. */
static void do_replace(struct worker *w, unsigned int i)
{
	struct slot *s = &w->a->slot[i];
	struct shape *sh = second(w, i);
	uint32_t size = 1 + rnd(w) % 16;
	char tmp[16], name[16];
	int fd;

	sprintf(tmp, "tmp%u", i);
	name_of(name, i, sh->name);
	set_size(sh, 0);
	set_size(sh, size);
	for (uint32_t b = 0; b < size; b++)
		place_settle(&sh->block[b], fill_block(w, i, w->buf + b * BSZ));
	fd = openat(w->dirfd, tmp, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, w->buf, size * BSZ) != (ssize_t)size * BSZ ||
	    fsync(fd))
		oops(w, i, "write and fsync %s", tmp);
	close(fd);
	s->allowed = 3;
	if (renameat(w->dirfd, tmp, w->dirfd, name))
		oops(w, i, "rename %s %s", tmp, name);
}

static void do_unlink(struct worker *w, unsigned int i)
{
	struct slot *s = &w->a->slot[i];
	struct shape *sh = second(w, i);
	char name[16];

	name_of(name, i, sh->name);
	sh->exists = 0;
	set_size(sh, 0);
	s->allowed = 3;
	if (unlinkat(w->dirfd, name, 0))
		oops(w, i, "unlink %s", name);
}

static void do_create(struct worker *w, unsigned int i)
{
	struct slot *s = &w->a->slot[i];
	struct shape *sh = second(w, i);
	char name[16];
	int fd;

	sh->exists = 1;
	sh->name = rnd(w) % 2;
	name_of(name, i, sh->name);
	s->allowed = 3;
	fd = openat(w->dirfd, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		oops(w, i, "create %s", name);
	close(fd);
}

/* Bytes of a tail file, by offset. */
static void tail_fill(uint8_t *buf, uint64_t key, uint32_t off, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++) {
		uint64_t x = ((off + i) / 8 + 1) * 0x9e3779b97f4a7c15ULL + key;

		x = (x ^ (x >> 31)) * 0xbf58476d1ce4e5b9ULL;
		/* Never a zero: zeros are what wasn't written. */
		buf[i] = (x >> (8 * ((off + i) % 8))) | 1;
	}
}

static uint64_t tail_key(const struct worker *w, unsigned int i)
{
	return tag_of(w, 100 + i) * 65536 + w->a->tail[i].gen;
}

static void do_tail(struct worker *w, unsigned int i)
{
	struct tail *t = &w->a->tail[i];
	uint32_t len = 1 + rnd(w) % (rnd(w) % 4 ? 900 : 9000);
	bool quiet = cut_quiet(seed);
	char name[16];
	int fd;

	if (quiet && (!t->must_exist || t->hi > TAIL_MAX))
		return;
	sprintf(name, "tail%u", i);
	if (t->must_exist && t->hi > TAIL_MAX) {
		t->must_exist = 0;
		if (unlinkat(w->dirfd, name, 0) || fsync(w->dirfd))
			oops(w, i, "unlink %s", name);
	}
	if (!t->must_exist) {
		t->gen++;
		t->lo = 0;
		t->hi = 0;
	}
	/* O_DSYNC is about these bytes only: not with others pending before them. */
	fd = openat(w->dirfd, name, O_CREAT | O_RDWR | O_APPEND | O_CLOEXEC |
		    (quiet || t->lo != t->hi || rnd(w) % 3 ? 0 : O_DSYNC), 0600);
	if (fd < 0)
		oops(w, i, "open %s", name);
	if (!t->must_exist) {
		if (fsync(fd) || fsync(w->dirfd))
			oops(w, i, "fsync %s", name);
		t->must_exist = 1;
	}
	tail_fill(w->buf, tail_key(w, i), t->hi, len);
	t->hi += len;
	if (write(fd, w->buf, len) != (ssize_t)len)
		oops(w, i, "append to %s", name);
	if (fcntl(fd, F_GETFL) & O_DSYNC) {
		t->lo = t->hi;
	} else if (!quiet && rnd(w) % 3 == 0) {
		if (rnd(w) % 2 ? fsync(fd) : fdatasync(fd))
			oops(w, i, "fsync %s", name);
		t->lo = t->hi;
	} else if (rnd(w) % 2) {
		sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	}
	close(fd);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	for (;;) {
		unsigned int i = rnd(w) % SLOTS, dice = rnd(w) % 1000;
		struct slot *s = &w->a->slot[i];
		bool quiet = cut_quiet(seed);

		cut_operations++;
		if (dice < 120) {
			do_tail(w, i % TAILS);
			continue;
		}
		if (quiet && (s->allowed == 3 || !cur(s)->exists)) {
			usleep(200);
			continue;
		}
		/* A file of two shapes first gets one. */
		if (s->allowed == 3)
			settle(w, i, false);
		if (!cur(s)->exists)
			do_create(w, i);
		else if (dice < 600 || (quiet && dice >= 860))
			do_write(w, i);
		else if (dice < 680)
			do_zero(w, i);
		else if (dice < 720)
			do_read(w, i);
		else if (dice < 860 && quiet)
			do_write(w, i);
		else if (dice < 860)
			settle(w, i, dice % 2);
		else if (dice < 890)
			do_collapse(w, i);
		else if (dice < 920)
			do_truncate(w, i);
		else if (dice < 950)
			do_rename(w, i);
		else if (dice < 980)
			do_replace(w, i);
		else
			do_unlink(w, i);
	}
	return NULL;
}

static unsigned long nfaults, nsure;
static bool telling;

static __attribute__((format(printf, 3, 4)))
void fault(struct worker *w, const char *name, const char *fmt, ...)
{
	va_list ap;

	if (nfaults++ >= SHOWN)
		return;
	printf("%s/%s: ", w->path, name);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

/* The file as it is: its blocks in w->buf, its size, -1 if there is none. */
static off_t load(struct worker *w, const char *name, uint64_t *bad)
{
	int fd = openat(w->dirfd, name, O_RDONLY | O_CLOEXEC);
	struct stat st;

	*bad = 0;
	if (fd < 0) {
		if (errno != ENOENT)
			fault(w, name, "open: %s", strerror(errno));
		return -1;
	}
	if (fstat(fd, &st))
		oops(w, 0, "stat %s", name);
	memset(w->buf, 0, BLOCKS * BSZ);
	for (off_t off = 0; off < st.st_size && off < BLOCKS * BSZ; off += BSZ) {
		if (pread(fd, w->buf + off, BSZ, off) > 0)
			continue;
		*bad |= 1ULL << (off / BSZ);
		fault(w, name, "block %ld: read: %s", (long)(off / BSZ),
		      strerror(errno));
	}
	close(fd);
	return st.st_size;
}

/* Does what was loaded fit?  If so and if KEEP, that is how it is from now on. */
static bool fits(struct worker *w, unsigned int i, struct shape *sh, off_t size,
		 uint64_t bad, bool keep, bool tell)
{
	char name[16];
	bool good = true;

	name_of(name, i, sh->name);
	if (size % BSZ || size < (off_t)sh->size_lo * BSZ ||
	    size > (off_t)sh->size_hi * BSZ) {
		if (tell)
			fault(w, name, "size %ld, may be %u to %u blocks",
			      (long)size, sh->size_lo, sh->size_hi);
		return false;
	}
	for (unsigned int b = 0; b < size / BSZ; b++) {
		struct place *p = &sh->block[b];
		int64_t v;

		/* A block that doesn't read has been counted. */
		if (bad >> b & 1)
			continue;
		for (unsigned int u = 0; u < BSZ; u += unit) {
			uint64_t q[2];

			v = cut_version(w->buf + b * BSZ + u, unit,
					tag_of(w, i), u / UNIT);
			if (place_may_be(p, v))
				continue;
			good = false;
			if (!tell)
				break;
			memcpy(q, w->buf + b * BSZ + u, sizeof(q));
			fault(w, name, "block %u+%u: %s%#" PRIx64 " version %u",
			      b, u, v < 0 ? "no version whole, perhaps " : "",
			      q[0], (uint32_t)q[1]);
			if (nfaults <= SHOWN) {
				place_print(stdout, p);
				putchar('\n');
			}
			break;
		}
		if (!keep || !good)
			continue;
		v = cut_version(w->buf + b * BSZ, BSZ, tag_of(w, i), 0);
		if (!p->n)
			nsure++;
		else if (v == p->durable)
			o->nold++;
		else
			o->nnew++;
		if (v >= 0)
			place_settle(p, v);
	}
	if (keep && good)
		set_size(sh, size / BSZ);
	return good;
}

/* A block whose units are of several versions is no base for what follows. */
static void mend(struct worker *w, unsigned int i)
{
	struct shape *sh = cur(&w->a->slot[i]);

	for (unsigned int b = 0; b < sh->size_hi; b++) {
		struct place *p = &sh->block[b];
		int fd;

		if (!p->n)
			continue;
		place_write(p, fill_block(w, i, w->buf));
		fd = open_slot(w, i, O_RDWR);
		if (pwrite(fd, w->buf, BSZ, (off_t)b * BSZ) != BSZ || fsync(fd))
			oops(w, i, "write of block %u", b);
		close(fd);
		place_settle(p, place_newest(p));
	}
}

static bool there(struct worker *w, const char *name)
{
	return !faccessat(w->dirfd, name, F_OK, 0);
}

static void verify_slot(struct worker *w, unsigned int i)
{
	struct slot *s = &w->a->slot[i];
	bool two = s->allowed == 3, done = false, exists;
	unsigned int have = 2;
	char name[16], other[16];
	uint64_t bad = 0;
	off_t size = -1;

	name_of(name, i, 0);
	name_of(other, i, 1);
	if (there(w, name))
		have = 0;
	if (there(w, other)) {
		if (!have)
			fault(w, name, "there is %s too", other);
		have = 1;
	}
	exists = have < 2;
	if (exists)
		size = load(w, have ? other : name, &bad);
	/* Newest first; a second pass says why none fits. */
	for (int tell = 0; tell < 2 && !done; tell++) {
		for (int k = 1; k >= 0 && !done; k--) {
			struct shape *sh = &s->shape[k];

			if (!(s->allowed >> k & 1))
				continue;
			if (sh->exists != exists || (exists && sh->name != have)) {
				if (tell)
					fault(w, have == 1 ? other : name,
					      "%s, should %s",
					      exists ? "is there" : "is missing",
					      sh->exists ? "be (under the other name?)" :
							   "not be");
				continue;
			}
			if (sh->exists && !fits(w, i, sh, size, bad, false, tell))
				continue;
			if (sh->exists && !bad)
				fits(w, i, sh, size, bad, true, false);
			o->nshapes += two;
			done = true;
			if (bad)
				break;
			s->allowed = 1 << k;
			if (sh->exists)
				mend(w, i);
		}
	}
}

static void verify_tail(struct worker *w, unsigned int i)
{
	struct tail *t = &w->a->tail[i];
	static uint8_t want[TAIL_MAX + 65536], got[TAIL_MAX + 65536];
	char name[16];
	ssize_t n;
	int fd;

	sprintf(name, "tail%u", i);
	fd = openat(w->dirfd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		if (t->must_exist || errno != ENOENT)
			fault(w, name, "open: %s", strerror(errno));
		return;
	}
	n = pread(fd, got, sizeof(got), 0);
	close(fd);
	if (n < 0) {
		fault(w, name, "read: %s", strerror(errno));
		return;
	}
	if ((n < (ssize_t)t->lo && t->must_exist) || n > (ssize_t)t->hi) {
		fault(w, name, "size %zd, may be %u to %u", n, t->lo, t->hi);
		return;
	}
	tail_fill(want, tail_key(w, i), 0, n);
	for (ssize_t b = 0, zeros = 0; b < n; b++) {
		/* What isn't durable may be missing from the end of a unit. */
		if (b % unit == 0 || b == (ssize_t)t->lo)
			zeros = 0;
		if (b >= (ssize_t)t->lo && !got[b]) {
			zeros++;
		} else if (got[b] != want[b] || zeros) {
			ssize_t end = b;

			while (end < n && got[end] != want[end] &&
			       !got[end] == !got[b])
				end++;
			fault(w, name, "bytes %zd to %zd of %zd are %s (%u durable, %u written)",
			      b, end, n, got[b] ? "wrong" : "zero", t->lo, t->hi);
			return;
		}
	}
	nsure += t->lo / BSZ;
	t->must_exist = 0;
	if (unlinkat(w->dirfd, name, 0) || fsync(w->dirfd))
		oops(w, i, "unlink %s", name);
}

static void verify(struct worker *w)
{
	uint64_t bad;
	char tmp[16];

	for (unsigned int i = 0; i < SLOTS; i++)
		verify_slot(w, i);
	for (unsigned int i = 0; i < SLOTS; i++) {
		sprintf(tmp, "tmp%u", i);
		/* It reads, whatever it holds. */
		if (load(w, tmp, &bad) >= 0 && unlinkat(w->dirfd, tmp, 0))
			oops(w, i, "unlink %s", tmp);
	}
	for (unsigned int i = 0; i < TAILS; i++)
		verify_tail(w, i);
}

static void worker_init(struct worker *w, unsigned int nr, const char *dir,
			bool make)
{
	w->nr = nr;
	w->a = &o->area[nr];
	w->rng = cut_seed(seed, nr + 100);
	snprintf(w->path, sizeof(w->path), "%s/t%u", dir, nr);
	if (make && mkdir(w->path, 0700))
		err(2, "mkdir %s", w->path);
	w->dirfd = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->dirfd < 0)
		err(2, "%s", w->path);
	if (make && fsync(w->dirfd))
		err(2, "fsync %s", w->path);
	if (posix_memalign((void **)&w->buf, 4096, BLOCKS * BSZ + 65536))
		errx(2, "out of memory");
}

static void init(unsigned int threads)
{
	memset(o, 0, sizeof(*o));
	o->next_version = 1;
	o->threads = threads;
	for (unsigned int i = 0; i < MAX_THREADS; i++)
		for (unsigned int j = 0; j < SLOTS; j++)
			o->area[i].slot[j].allowed = 1;
	o->magic = MAGIC;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "", *oracle = NULL;
	static struct worker w[MAX_THREADS];
	unsigned int threads = 6;
	int c;

	optind = 2;
	while ((c = getopt(argc, argv, "m:r:t:u:x")) != -1)
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
		case 'u':
			unit = strtoul(optarg, NULL, 0);
			break;
		default:
			return 2;
		}
	if (optind == argc || !oracle || !threads || threads > MAX_THREADS ||
	    unit < UNIT || unit > BSZ)
		errx(2, "see the comment at the top of cutfiles.c");
	o = cut_oracle(oracle, sizeof(*o));
	if (!strcmp(mode, "init"))
		init(threads);
	if (o->magic != MAGIC)
		errx(2, "%s: no oracle", oracle);
	threads = o->threads;
	for (unsigned int i = 0; i < threads; i++)
		worker_init(&w[i], i, argv[optind + i % (argc - optind)],
			    !strcmp(mode, "init"));
	if (!strcmp(mode, "init")) {
		sync();
		return 0;
	}
	if (!strcmp(mode, "verify")) {
		for (unsigned int i = 0; i < threads; i++)
			verify(&w[i]);
		printf("files: %u versions, %lu blocks as synced; not synced, over all cuts: ",
		       o->next_version, nsure);
		printf("%lu as before, %lu written, %lu names and shapes",
		       o->nold, o->nnew, o->nshapes);
		if (nfaults)
			printf("; FAILED: %lu faults", nfaults);
		putchar('\n');
		return nfaults || (telling && (!o->nold || !o->nnew || !o->nshapes));
	}
	if (strcmp(mode, "run"))
		errx(2, "%s: no such mode", mode);
	for (unsigned int i = 0; i < threads; i++)
		if (pthread_create(&w[i].thread, NULL, work, &w[i]))
			errx(2, "pthread_create");
	pthread_join(w[0].thread, NULL);
	return 0;
}
