// SPDX-License-Identifier: GPL-2.0-only
/*
 * modeldisk - a disk for a VM (an NBD server on a unix socket, over a file)
 * that takes the time a disk of a certain kind takes.  The file should be in
 * memory: then all the time is the model's.
 *
 * A pipe (an SSD): a request takes its turn for the longer of 1/iops and
 * length/bps, one after the other, and is done a fixed latency later.  So the
 * queue depth hides the latency, and nothing hides the limits.  A flush takes
 * a turn of -f ms, if anything was written since the last one.
 *
 * An arm (-s ms, a hard disk): one request at a time.  One that begins where
 * the last one ended, or up to 32 KiB further, only has its bytes pass by; any
 * other takes a seek.  Writes are done once they are in the cache (-c KiB),
 * which drains all the time, upwards from where the arm is, reads first; a
 * flush waits until what was there is on the medium.
 *
 * -w: no volatile cache, so a flush costs nothing, and on a hard disk a write
 * is done when it is on the medium.  What is written to the file is there at
 * once: this models time, not loss (lossydisk.c).
 */
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "nbd.h"

#define NEAR		32768	/* bytes that the arm waits for */
#define MAX_OPS		4096

struct op {
	uint64_t handle, off, due;
	uint32_t len, type;
	uint64_t seq;		/* order of arrival */
	bool answer;		/* when it is on the medium */
};

/* Requests in no order, or in that of arrival: up to MAX_OPS. */
struct list {
	struct op op[MAX_OPS];
	unsigned int n;
};

static struct {
	const char *socket, *file;
	double iops, bps, read_us, write_us, flush_ms, seek_ms;
	uint64_t cache;
	bool through;
} opt = { .iops = 1e6, .bps = 1e10, .cache = 2 * MIB };

static uint8_t *medium;
static uint64_t size, seq, free_at;
static int client = -1, file;
static bool dirty;		/* a pipe: since the last flush */
static struct list answers;	/* due at their time */
static sigset_t unblocked;
static volatile sig_atomic_t stop;

/* The arm. */
static struct list reads, cache, waiting, flushing;
static struct op moving;	/* what the arm is at, if busy */
static uint64_t head, cached;
static bool busy;

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void add(struct list *l, const struct op *op)
{
	if (l->n == MAX_OPS)
		errx(2, "too many requests");
	l->op[l->n++] = *op;
}

static void del(struct list *l, unsigned int i)
{
	l->n--;
	memmove(&l->op[i], &l->op[i + 1], (l->n - i) * sizeof(l->op[0]));
}

static void answer_at(struct op op, uint64_t due)
{
	op.due = due;
	add(&answers, &op);
}

/* Time that the bytes take to pass. */
static uint64_t passing(uint64_t len)
{
	return len * 1e9 / opt.bps;
}

static void pipe_op(const struct op *op, uint64_t t)
{
	uint64_t turn = 1e9 / opt.iops, bytes = 0;
	double us = op->type == CMD_READ ? opt.read_us : opt.write_us;

	if (free_at < t)
		free_at = t;
	if (op->type == CMD_FLUSH) {
		if (dirty)
			free_at += opt.flush_ms * 1e6;
		dirty = false;
		answer_at(*op, free_at);
		return;
	}
	if (op->type == CMD_READ || op->type == CMD_WRITE)
		bytes = passing(op->len);
	if (op->type != CMD_READ)
		dirty = !opt.through;
	free_at += bytes > turn ? bytes : turn;
	answer_at(*op, free_at + us * 1e3);
}

/* A write enters the cache, where a newer one of the same place replaces it. */
static void cache_write(struct op op, uint64_t t)
{
	if (!op.answer) {
		answer_at(op, t + opt.write_us * 1e3);
		for (unsigned int i = 0; i < cache.n; i++)
			if (cache.op[i].off == op.off && !cache.op[i].answer &&
			    cache.op[i].len == op.len) {
				cache.op[i].seq = op.seq;
				return;
			}
	}
	cached += op.len;
	add(&cache, &op);
}

static bool has_room(const struct op *op)
{
	return cache.n < MAX_OPS / 2 &&
	       (!cached || cached + op->len <= opt.cache);
}

static void arm_op(struct op *op, uint64_t t)
{
	switch (op->type) {
	case CMD_READ:
		add(&reads, op);
		break;
	case CMD_WRITE:
		if (waiting.n || !has_room(op))
			add(&waiting, op);
		else
			cache_write(*op, t);
		break;
	case CMD_FLUSH:
		add(&flushing, op);
		break;
	default:
		answer_at(*op, t + opt.write_us * 1e3);
	}
}

/* The next one upwards from where the arm is, else the lowest. */
static unsigned int next_of(const struct list *l)
{
	unsigned int up = l->n, low = 0;

	for (unsigned int i = 0; i < l->n; i++) {
		uint64_t off = l->op[i].off;

		if (off >= head && (up == l->n || off < l->op[up].off))
			up = i;
		if (off < l->op[low].off)
			low = i;
	}
	return up < l->n ? up : low;
}

/* A flush is done when nothing older is left in the cache or in front of it. */
static void end_flushes(uint64_t t)
{
	uint64_t oldest = UINT64_MAX;

	if (!flushing.n)
		return;
	if (busy && moving.type == CMD_WRITE)
		oldest = moving.seq;
	for (unsigned int i = 0; i < cache.n; i++)
		if (cache.op[i].seq < oldest)
			oldest = cache.op[i].seq;
	if (waiting.n && waiting.op[0].seq < oldest)
		oldest = waiting.op[0].seq;
	while (flushing.n && flushing.op[0].seq < oldest) {
		answer_at(flushing.op[0], t + opt.write_us * 1e3);
		del(&flushing, 0);
	}
}

/* Move the arm as far as it has come by @t; when it will have arrived, or 0. */
static uint64_t arm_run(uint64_t t)
{
	while (!busy || free_at <= t) {
		struct list *l = reads.n ? &reads : &cache;
		unsigned int i;

		if (busy) {
			busy = false;
			if (moving.answer || moving.type == CMD_READ)
				answer_at(moving, free_at);
			while (waiting.n && has_room(&waiting.op[0])) {
				cache_write(waiting.op[0], t);
				del(&waiting, 0);
			}
		}
		end_flushes(t);
		l = reads.n ? &reads : &cache;
		if (!l->n)
			return 0;
		i = next_of(l);
		moving = l->op[i];
		del(l, i);
		if (l == &cache)
			cached -= moving.len;
		/* Without a pause, if it was waiting for its turn. */
		if (free_at < moving.due)
			free_at = moving.due;
		if (moving.off >= head && moving.off - head <= NEAR)
			free_at += passing(moving.off - head);
		else
			free_at += opt.seek_ms * 1e6;
		free_at += passing(moving.len);
		head = moving.off + moving.len;
		busy = true;
	}
	return free_at;
}

/* Answer what is due; when the next will be, or 0. */
static uint64_t run_answers(uint64_t t, bool *ok)
{
	uint64_t next = 0;

	for (unsigned int i = 0; i < answers.n;) {
		struct op op = answers.op[i];
		bool read = op.type == CMD_READ;

		if (op.due > t) {
			if (!next || op.due < next)
				next = op.due;
			i++;
			continue;
		}
		answers.op[i] = answers.op[--answers.n];
		if (!nbd_reply(client, op.handle, 0,
			       read ? medium + op.off : NULL, read ? op.len : 0))
			*ok = false;
	}
	return next;
}

static void punch(uint64_t off, uint64_t len)
{
	if (fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, len))
		memset(medium + off, 0, len);
}

static bool handle(const struct request *q, const uint8_t *data)
{
	struct op op = {
		.handle = q->handle, .off = be64toh(q->offset),
		.len = be32toh(q->len), .type = be16toh(q->type), .seq = seq++,
	};
	uint64_t t = now();

	op.due = t;
	op.answer = opt.through || (be16toh(q->flags) & NBD_CMD_FLAG_FUA);
	if (op.off > size || op.len > size - op.off || op.type > CMD_ZEROES)
		return nbd_reply(client, q->handle, EINVAL, NULL, 0);
	if (op.type == CMD_WRITE)
		memcpy(medium + op.off, data, op.len);
	else if (op.type == CMD_TRIM || op.type == CMD_ZEROES)
		punch(op.off, op.len);
	if (op.type == CMD_CACHE)
		return nbd_reply(client, q->handle, 0, NULL, 0);
	if (opt.seek_ms)
		arm_op(&op, t);
	else
		pipe_op(&op, t);
	return true;
}

/* Sleep until a request comes or something is due. */
static bool await(bool *ok)
{
	struct pollfd pfd = { .fd = client, .events = POLLIN };
	uint64_t t = now(), arm = opt.seek_ms ? arm_run(t) : 0;
	uint64_t next = run_answers(t, ok);
	struct timespec ts = { 0 };

	if (!next || (arm && arm < next))
		next = arm;
	t = now();
	if (next > t) {
		ts.tv_sec = (next - t) / 1000000000;
		ts.tv_nsec = (next - t) % 1000000000;
	}
	return ppoll(&pfd, 1, next ? &ts : NULL, &unblocked) > 0;
}

static void serve(void)
{
	static uint8_t buf[MAX_DATA + sizeof(struct request)];
	size_t have = 0;
	bool ok = true;

	while (ok && !stop) {
		size_t used = 0;
		ssize_t n;

		if (!await(&ok))
			continue;
		n = recv(client, buf + have, sizeof(buf) - have, MSG_DONTWAIT);
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
				return;
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
}

static void forget_all(void)
{
	answers.n = 0;
	reads.n = 0;
	cache.n = 0;
	waiting.n = 0;
	flushing.n = 0;
	busy = false;
	cached = 0;
}

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static void options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "S:F:i:b:r:l:f:s:c:w")) != -1)
		switch (c) {
		case 'S':
			opt.socket = optarg;
			break;
		case 'F':
			opt.file = optarg;
			break;
		case 'i':
			opt.iops = atof(optarg);
			break;
		case 'b':
			opt.bps = atof(optarg) * 1e6;
			break;
		case 'r':
			opt.read_us = atof(optarg);
			break;
		case 'l':
			opt.write_us = atof(optarg);
			break;
		case 'f':
			opt.flush_ms = atof(optarg);
			break;
		case 's':
			opt.seek_ms = atof(optarg);
			break;
		case 'c':
			opt.cache = strtoul(optarg, NULL, 0) * 1024;
			break;
		case 'w':
			opt.through = true;
			break;
		default:
			goto usage;
		}
	if (optind == argc && opt.socket && opt.file && opt.iops > 0 && opt.bps > 0)
		return;
usage:
	fputs("usage: modeldisk -S SOCKET -F FILE [-i IOPS] [-b MB/s] [-r READ LATENCY in us]\n"
	      "\t[-l WRITE LATENCY in us] [-f FLUSH in ms] [-s SEEK in ms] [-c CACHE in KiB (2048)]\n"
	      "\t[-w (no volatile cache)]\n", stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct sigaction act = { .sa_handler = on_signal };
	sigset_t signals;
	int s;

	options(argc, argv);
	/* Sleep no longer than asked for. */
	prctl(PR_SET_TIMERSLACK, 1UL);
	sigaction(SIGTERM, &act, NULL);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, &unblocked);
	file = open(opt.file, O_RDWR | O_CLOEXEC);
	if (file < 0)
		err(2, "%s", opt.file);
	size = lseek(file, 0, SEEK_END);
	medium = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (medium == MAP_FAILED)
		err(2, "mmap %s", opt.file);
	s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (strlen(opt.socket) >= sizeof(sa.sun_path))
		errx(2, "%s: too long", opt.socket);
	strcpy(sa.sun_path, opt.socket);
	unlink(opt.socket);
	if (s < 0 || bind(s, (void *)&sa, sizeof(sa)) || listen(s, 1))
		err(2, "%s", opt.socket);
	while (!stop) {
		struct pollfd pfd = { .fd = s, .events = POLLIN };

		if (ppoll(&pfd, 1, NULL, &unblocked) <= 0)
			continue;
		client = accept(s, NULL, NULL);
		if (client < 0)
			err(2, "accept");
		if (nbd_greet(client, size))
			serve();
		close(client);
		forget_all();
	}
	return 0;
}
