// SPDX-License-Identifier: GPL-2.0-only
/*
 * exerciser: the table of ops, and one process's share of a phase.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "exerciser.h"

const struct op op_table[] = {
	/* name		weight	body		regions of shared files too */
	{ "write",	 140,	op_write,	true },
	{ "append",	  50,	op_append,	false },
	{ "pwritev",	  60,	op_pwritev,	true },
	{ "read",	 110,	op_read,	true },
	{ "verify",	  14,	op_verify,	true },
	{ "direct-write", 60,	op_direct_write, true },
	{ "direct-read",  60,	op_direct_read,	true },
	{ "aio",	  40,	op_aio,		true },
	{ "fsync",	   6,	op_fsync,	true },
	{ "evict",	  30,	op_evict,	true },
	{ "drop",	   2,	op_drop,	false },
	{ "close",	  20,	op_close,	true },
	{ "map-write",	  70,	op_map_write,	true },
	{ "map-read",	  40,	op_map_read,	true },
	{ "falloc-map",	  60,	op_falloc_map,	true },
	{ "map-past-eof",  6,	op_map_past_eof, false },
	{ "direct-map",	   8,	op_direct_map,	false },
	{ "truncate",	  60,	op_truncate,	false },
	{ "falloc",	  30,	op_falloc,	true },
	{ "punch",	  40,	op_punch,	true },
	{ "zero-range",	  30,	op_zero_range,	true },
	{ "collapse",	  20,	op_collapse,	false },
	{ "insert",	  20,	op_insert,	false },
	{ "holes",	  15,	op_holes,	false },
	{ "copy",	  15,	op_copy,	false },
	{ "copy-range",	  15,	op_copy_range,	false },
	{ "rename",	  12,	op_rename,	false },
	{ "exchange",	   5,	op_exchange,	false },
	{ "unlink",	  12,	op_unlink,	false },
	{ "orphan",	   6,	op_orphan,	false },
	{ "tmpfile",	   8,	op_tmpfile,	false },
};

const unsigned int op_count = sizeof(op_table) / sizeof(op_table[0]);

static struct proc *this_proc;

/* A page of a mapping that can't be read or allocated */
static void on_sigbus(int sig)
{
	char text[256];
	int n;

	n = snprintf(text, sizeof(text),
		     "\nexerciser: FAILED: signal %d: seed %" PRIu64
		     " process %u op %" PRIu64 " (%s)\n", sig, opt.seed,
		     this_proc->index, this_proc->op, this_proc->op_name);
	if (write(STDOUT_FILENO, text, (size_t)n) < 0)
		_exit(EXIT_HUNG);
	world->stop = 1;
	_exit(EXIT_FOUND);
}

static const struct op *pick_op(struct ctx *c, unsigned int total)
{
	uint64_t at = below(c, total);

	for (unsigned int i = 0; i < op_count; i++) {
		if (!opt.enabled[i])
			continue;
		if (at < op_table[i].weight)
			return &op_table[i];
		at -= op_table[i].weight;
	}
	abort();
}

/* Behind the back of the model: does the exerciser notice? */
static void corrupt(struct ctx *c)
{
	for (unsigned int i = 0; i < opt.files; i++) {
		struct file *f = &c->p->slots[i];
		uint8_t byte;
		off_t off;
		int fd;

		if (!f->exists || !f->size)
			continue;
		off = (off_t)(f->size / 2);
		fd = open(f->path, O_RDWR | O_CLOEXEC);
		if (fd < 0 || pread(fd, &byte, 1, off) != 1)
			fail_errno(c, (int)i, "self-test");
		byte ^= 0x10;
		if (pwrite(fd, &byte, 1, off) != 1)
			fail_errno(c, (int)i, "self-test");
		close(fd);
		printf("exerciser: self-test: flipped a bit of %s at %jd\n",
		       f->path, (intmax_t)off);
		fflush(stdout);
		return;
	}
}

static void run_ops(struct ctx *c, uint64_t ops)
{
	struct proc *p = c->p;
	uint64_t attempts = 0, done = 0;
	unsigned int total = 0;

	for (unsigned int i = 0; i < op_count; i++)
		total += opt.enabled[i] ? op_table[i].weight : 0;
	if (!total)
		return;
	while (done < ops && !world->stop && attempts++ < ops * 20 + 1000) {
		const struct op *op = pick_op(c, total);
		unsigned int slot = (unsigned int)below(c, opt.files);
		unsigned int regions = p->nslots - opt.files;

		if (op->on_fixed && regions && chance(c, 15))
			slot = opt.files + (unsigned int)below(c, regions);
		p->op++;
		p->op_name = op->name;
		if (op->run(c, (int)slot)) {
			p->done[p->slots[slot].dir][op - op_table]++;
			done++;
		} else {
			p->skipped[op - op_table]++;
		}
		if (p->op == opt.corrupt_at && !p->index) {
			corrupt(c);	/* and nothing may write over it */
			return;
		}
	}
	p->op_name = "verify";
	if (done < ops && !world->stop)
		fail(c, -1, "only %" PRIu64 " of %" PRIu64
		     " ops could be done", done, ops);
}

static void verify_all(struct ctx *c)
{
	c->p->op_name = "verify";
	for (unsigned int i = 0; i < c->p->nslots && !world->stop; i++)
		verify_slot(c, (int)i);
}

void run_proc(unsigned int index, uint64_t ops)
{
	static struct ctx c;
	struct sigaction sa = { .sa_handler = on_sigbus };
	void *buf;

	c.p = &world->procs[index];
	this_proc = c.p;
	sigaction(SIGBUS, &sa, NULL);
	c.buf_size = opt.max_io + BUF_EXTRA;
	if (posix_memalign(&buf, 4096, c.buf_size))
		abort();
	memset(buf, 0, c.buf_size);
	c.buf = buf;
	for (unsigned int i = 0; i < MAX_SLOTS; i++) {
		c.h[i].fd = -1;
		c.h[i].dfd = -1;
	}

	verify_all(&c);
	if (ops) {
		run_ops(&c, ops);
		verify_all(&c);
	}
	for (unsigned int i = 0; i < c.p->nslots; i++)
		drop_handles(&c, (int)i);
	free(buf);
	fflush(stdout);
	_exit(world->stop ? EXIT_FOUND : EXIT_OK);
}
