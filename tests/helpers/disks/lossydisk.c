// SPDX-License-Identifier: GPL-2.0-only
/*
 * lossydisk - a disk for a VM (an NBD server on a unix socket, over a file)
 * that loses at a power cut what a disk may lose.
 *
 * Writes stay in memory until a flush that came after their completion has
 * itself completed; with FUA, or with -w (no volatile cache), until their own
 * completion.  When the client goes away without a word - QEMU was killed - a
 * random part of what is still in memory reaches the file: everything,
 * nothing, a prefix, all but one, any subset of the writes or of their units
 * of -u bytes (what the disk writes atomically).  A line says what became of
 * it.  Completions are delayed and come out of order, so that a cut finds
 * requests in flight.  Then the next client may connect.
 *
 * SIGUSR1: the cut is coming, nothing completes any more (the death of a QEMU
 * takes a while, all would be done by then).  SIGTERM: the client's end will be
 * no power cut.
 *
 * The old-style handshake of the protocol is all that QEMU needs.
 */
#include <endian.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "nbd.h"

#define MAX_PENDING	256
#define BIG_ZERO	MIB
/* A real cache writes back when it is full. */
#define MAX_CACHED	(256 * MIB)

/* One write, zeroing or discard that the file doesn't have yet. */
struct rec {
	uint64_t off, len;
	uint8_t *data;		/* NULL: zeros */
	uint64_t acked;		/* when; 0: not yet */
	bool fua, durable;
};

/* A request whose answer is due later. */
struct pending {
	uint64_t handle, due, came;
	size_t rec;		/* its record, by number; SIZE_MAX: a flush */
};

static struct {
	const char *socket, *file, *name;
	unsigned long unit, seed, delay;
	bool through;
} opt = { .name = "disk", .unit = 512, .seed = 1, .delay = 1000 };

static uint8_t *medium, *cur;	/* the file; what a reader sees */
static uint64_t size;
static struct rec *recs;	/* number n is recs[n - first] */
static size_t nrecs, recs_room, first;
static uint64_t cached;		/* bytes of data in recs[] */
static struct pending pending[MAX_PENDING];
static unsigned int npending;
static uint64_t events = 1;	/* orders completions and arrivals */
static uint64_t rng;
static unsigned long cuts, writes, flushes, spills;
static int client = -1;
static sigset_t unblocked;
static volatile sig_atomic_t stop, frozen;

static uint64_t rnd(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng >> 8;
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Put part of a record on the medium. */
static void apply(const struct rec *r, uint64_t from, uint64_t len)
{
	uint64_t off = r->off + from;

	if (r->data)
		memcpy(medium + off, r->data + from, len);
	else
		memset(medium + off, 0, len);
}

/* What no power cut can undo any more leaves the cache, in order. */
static void retire(void)
{
	size_t n = 0;

	while (n < nrecs && recs[n].durable) {
		apply(&recs[n], 0, recs[n].len);
		if (recs[n].data)
			cached -= recs[n].len;
		free(recs[n].data);
		n++;
	}
	memmove(recs, recs + n, (nrecs - n) * sizeof(*recs));
	nrecs -= n;
	first += n;
}

static size_t remember(uint64_t off, uint64_t len, const uint8_t *data, bool fua)
{
	struct rec *r;

	if (nrecs == recs_room) {
		recs_room = recs_room ? 2 * recs_room : 1024;
		recs = realloc(recs, recs_room * sizeof(*recs));
		if (!recs)
			errx(2, "out of memory");
	}
	r = &recs[nrecs++];
	*r = (struct rec){ .off = off, .len = len, .fua = fua || opt.through };
	if (data) {
		r->data = malloc(len);
		if (!r->data)
			errx(2, "out of memory");
		memcpy(r->data, data, len);
		memcpy(cur + off, data, len);
		cached += len;
	} else if (len >= BIG_ZERO && off % 4096 == 0 && len % 4096 == 0) {
		/* No memory for zeros. */
		if (mmap(cur + off, len, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			 MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
			err(2, "mmap");
	} else {
		memset(cur + off, 0, len);
	}
	writes++;
	return first + nrecs - 1;
}

static bool reply(uint64_t handle, int error, const void *data, size_t len)
{
	return nbd_reply(client, handle, error, data, len);
}

/* A request is done: what that makes durable is so before the answer leaves. */
static bool complete(const struct pending *p)
{
	struct rec *r;

	if (p->rec == SIZE_MAX) {
		flushes++;
		for (r = recs; r < recs + nrecs; r++)
			if (r->acked && r->acked < p->came)
				r->durable = true;
	} else {
		r = &recs[p->rec - first];
		r->acked = events++;
		if (r->fua)
			r->durable = true;
	}
	if (cached > MAX_CACHED) {
		spills++;
		for (r = recs; r < recs + nrecs; r++)
			r->durable |= r->acked != 0;
	}
	retire();
	return reply(p->handle, 0, NULL, 0);
}

static bool queue(uint64_t handle, size_t rec, bool slow)
{
	struct pending p = { .handle = handle, .came = events++, .rec = rec };

	if (frozen)
		return true;
	if (npending == MAX_PENDING || (!slow && rnd() % 4))
		return complete(&p);
	p.due = now() + (opt.delay ? rnd() % (opt.delay * 1000) : 0);
	pending[npending++] = p;
	return true;
}

/* Answer what is due; the time until the next, in ns, or -1. */
static int64_t run_pending(bool *ok)
{
	uint64_t t = now();
	int64_t next = -1;

	for (unsigned int i = 0; i < npending;) {
		struct pending p = pending[i];

		if (p.due > t) {
			if (next < 0 || (int64_t)(p.due - t) < next)
				next = p.due - t;
			i++;
			continue;
		}
		pending[i] = pending[--npending];
		*ok = complete(&p) && *ok;
	}
	return next;
}

static bool handle(const struct request *q, const uint8_t *data)
{
	uint16_t flags = be16toh(q->flags);
	uint64_t off = be64toh(q->offset);
	uint32_t len = be32toh(q->len);
	bool fua = flags & NBD_CMD_FLAG_FUA;

	if (off > size || len > size - off)
		return reply(q->handle, EINVAL, NULL, 0);
	switch (be16toh(q->type)) {
	case CMD_READ:
		return reply(q->handle, 0, cur + off, len);
	case CMD_WRITE:
		return queue(q->handle, remember(off, len, data, fua),
			     fua || opt.through);
	case CMD_TRIM:
	case CMD_ZEROES:
		return queue(q->handle, remember(off, len, NULL, fua),
			     fua || opt.through);
	case CMD_FLUSH:
		return queue(q->handle, SIZE_MAX, true);
	case CMD_CACHE:
		return reply(q->handle, 0, NULL, 0);
	default:
		return reply(q->handle, EINVAL, NULL, 0);
	}
}

enum { LOSE_ALL, KEEP_ALL, PREFIX, SUFFIX, ALL_BUT_ONE, WRITES, UNITS, POLICIES };
static const char * const policy_name[] = {
	"everything lost", "nothing lost", "a prefix kept", "a suffix kept",
	"all but one kept", "writes at random", "units at random",
};

/* The power is gone. */
static void cut(void)
{
	unsigned int policy = rnd() % POLICIES;
	/* Out of 16, how many are kept. */
	unsigned int odds = 1 + rnd() % 3 * 7;
	size_t open_recs = 0, kept = 0, lost = 0, torn = 0, at, n = 0;

	for (size_t i = 0; i < nrecs; i++)
		open_recs += !recs[i].durable;
	at = open_recs ? rnd() % open_recs : 0;
	for (size_t i = 0; i < nrecs; i++) {
		struct rec *r = &recs[i];
		uint64_t in = 0, units = 0;

		for (uint64_t u = 0; u < r->len;) {
			uint64_t step = opt.unit - (r->off + u) % opt.unit;
			bool keep;

			if (step > r->len - u)
				step = r->len - u;
			switch (policy) {
			case LOSE_ALL:
				keep = false;
				break;
			case KEEP_ALL:
				keep = true;
				break;
			case PREFIX:	/* the last one torn */
				keep = n < at || (n == at && rnd() % 2);
				break;
			case SUFFIX:
				keep = n > at || (n == at && rnd() % 2);
				break;
			case ALL_BUT_ONE:
				keep = n != at;
				break;
			case WRITES:
				if (!u)
					units = rnd() % 16 < odds;
				keep = units;
				break;
			default:
				keep = rnd() % 16 < odds;
			}
			if (r->durable || keep) {
				apply(r, u, step);
				in += step;
			}
			u += step;
		}
		if (r->durable)
			continue;
		n++;
		kept += in == r->len;
		lost += !in;
		torn += in && in < r->len;
	}
	cuts++;
	printf("%s: cut %lu: %zu writes kept, %zu lost, %zu torn (%s), ",
	       opt.name, cuts, kept, lost, torn, policy_name[policy]);
	printf("after %lu writes, %lu flushes\n", writes, flushes);
}

static void forget_all(void)
{
	for (size_t i = 0; i < nrecs; i++)
		free(recs[i].data);
	first += nrecs;
	nrecs = 0;
	npending = 0;
	cached = 0;
	writes = 0;
	flushes = 0;
	frozen = 0;
}

/* Serve one client; true: it said good-bye. */
static bool serve(void)
{
	static uint8_t *buf;
	size_t have = 0;
	bool ok = true;

	if (!buf)
		buf = malloc(MAX_DATA + sizeof(struct request));
	if (!buf)
		errx(2, "out of memory");
	while (ok) {
		struct pollfd pfd = { .fd = client, .events = POLLIN };
		int64_t ns = frozen ? -1 : run_pending(&ok);
		struct timespec ts = { ns / 1000000000, ns % 1000000000 };
		size_t used = 0;
		ssize_t n;

		if (ppoll(&pfd, 1, ns < 0 ? NULL : &ts, &unblocked) <= 0)
			continue;
		n = recv(client, buf + have, MAX_DATA + sizeof(struct request) -
			 have, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			break;
		have += n;
		while (ok && have - used >= sizeof(struct request)) {
			struct request q;
			size_t len = sizeof(q);

			memcpy(&q, buf + used, sizeof(q));
			if (be32toh(q.magic) != NBD_REQUEST_MAGIC)
				errx(2, "what came is no request");
			if (be16toh(q.type) == CMD_DISC)
				return true;
			if (be16toh(q.type) == CMD_WRITE)
				len += be32toh(q.len);
			if (len > MAX_DATA)
				errx(2, "a request too large");
			if (have - used < len)
				break;
			ok = handle(&q, buf + used + sizeof(q));
			used += len;
		}
		memmove(buf, buf + used, have - used);
		have -= used;
	}
	return false;
}

static void map_file(int fd)
{
	medium = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	/* Pages not written to since show the file. */
	cur = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (medium == MAP_FAILED || cur == MAP_FAILED)
		err(2, "mmap %s", opt.file);
}

static void on_signal(int sig)
{
	if (sig == SIGTERM)
		stop = 1;
	else
		frozen = 1;
}

static void options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "s:f:n:u:r:d:w")) != -1)
		switch (c) {
		case 's':
			opt.socket = optarg;
			break;
		case 'f':
			opt.file = optarg;
			break;
		case 'n':
			opt.name = optarg;
			break;
		case 'u':
			opt.unit = strtoul(optarg, NULL, 0);
			break;
		case 'r':
			opt.seed = strtoul(optarg, NULL, 0);
			break;
		case 'd':
			opt.delay = strtoul(optarg, NULL, 0);
			break;
		case 'w':
			opt.through = true;
			break;
		default:
			goto usage;
		}
	if (optind == argc && opt.socket && opt.file && opt.unit)
		return;
usage:
	fputs("usage: lossydisk -s SOCKET -f FILE [-n NAME] [-u ATOMIC BYTES (512)]\n"
	      "\t[-r SEED] [-d LONGEST DELAY in us (1000)] [-w (no volatile cache)]\n",
	      stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct sigaction act = { .sa_handler = on_signal };
	struct pollfd pfd = { .events = POLLIN };
	sigset_t signals;
	int fd, s;

	options(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGUSR1, &act, NULL);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGUSR1);
	sigprocmask(SIG_BLOCK, &signals, &unblocked);
	rng = (opt.seed + 1) * 0x9e3779b97f4a7c15ULL;
	fd = open(opt.file, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		err(2, "%s", opt.file);
	size = lseek(fd, 0, SEEK_END);
	map_file(fd);
	s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* Relative to its directory: such a path has room for 108 bytes. */
	if (strlen(opt.socket) >= sizeof(sa.sun_path))
		errx(2, "%s: too long", opt.socket);
	strcpy(sa.sun_path, opt.socket);
	unlink(opt.socket);
	if (s < 0 || bind(s, (void *)&sa, sizeof(sa)) || listen(s, 1))
		err(2, "%s", opt.socket);
	while (!stop) {
		pfd.fd = s;
		if (ppoll(&pfd, 1, NULL, &unblocked) <= 0)
			continue;
		client = accept(s, NULL, NULL);
		if (client < 0)
			err(2, "accept");
		/* Told to stop: the VM's end is no power cut. */
		if ((nbd_greet(client, size) && serve()) || stop)
			for (size_t i = 0; i < nrecs; i++)
				apply(&recs[i], 0, recs[i].len);
		else
			cut();
		close(client);
		forget_all();
		/* What was lost is seen no longer. */
		munmap(cur, size);
		munmap(medium, size);
		map_file(fd);
	}
	return 0;
}
