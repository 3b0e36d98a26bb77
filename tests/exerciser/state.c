// SPDX-License-Identifier: GPL-2.0-only
/*
 * exerciser: the memory all processes share, and keeping it in a file so that
 * a later run (after a remount, a reopen, a reboot) goes on from there.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exerciser.h"

#define STATE_MAGIC	0x31747865636f6e69ull	/* "inocext1" */

/* Uneven, so that regions end within pages and blocks */
#define UNEVEN		1237

struct state_header {
	uint64_t magic;
	uint64_t seed;
	uint64_t max_size;
	uint64_t shared;
	uint32_t procs;
	uint32_t ndirs;
	uint32_t files;
	uint32_t shared_mixed;
	uint32_t phase;
	uint32_t pad;
};

void *share(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED) {
		perror("exerciser: mmap");
		exit(EXIT_USAGE);
	}
	return p;
}

static void must_fit(int n)
{
	if (n < 0 || n >= PATH_LEN) {
		fprintf(stderr, "exerciser: directory name too long\n");
		exit(EXIT_USAGE);
	}
}

static void build_shared(unsigned int dir, const char *kind, uint64_t uneven,
			 bool direct_only, bool cached_only)
{
	struct shared_file *s = &world->shared[world->nshared++];

	must_fit(snprintf(s->path, PATH_LEN, "%s/shared-%s", opt.dirs[dir],
			  kind));
	s->size = opt.shared * opt.procs + uneven;
	s->data = share(s->size);
	for (unsigned int k = 0; k < opt.procs; k++) {
		struct proc *p = &world->procs[k];
		struct file *f = &p->slots[p->nslots++];

		memcpy(f->path, s->path, PATH_LEN);
		f->exists = true;
		f->fixed = true;
		f->direct_only = direct_only;
		f->cached_only = cached_only;
		f->dir = dir;
		f->size = s->size;
		f->data = s->data;
		f->lo = k ? opt.shared * k + uneven : 0;
		f->hi = opt.shared * (k + 1) + uneven;
		if (direct_only || (!cached_only && f->hi > s->size))
			f->hi = opt.shared * (k + 1);
	}
}

/* Directories below each --dir, so that what is inherited is inherited */
static void make_dirs(void)
{
	char path[PATH_LEN];

	for (unsigned int k = 0; k < opt.procs; k++) {
		for (unsigned int d = 0; d < opt.ndirs; d++) {
			must_fit(snprintf(path, PATH_LEN, "%s/p%u",
					  opt.dirs[d], k));
			if (mkdir(path, 0755)) {
				fprintf(stderr, "exerciser: mkdir %s: %s\n",
					path, strerror(errno));
				exit(EXIT_FOUND);
			}
		}
	}
	for (unsigned int i = 0; i < world->nshared; i++) {
		struct shared_file *s = &world->shared[i];
		int fd = open(s->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
			      0644);

		if (fd < 0 || ftruncate(fd, (off_t)s->size)) {
			fprintf(stderr, "exerciser: %s: %s\n", s->path,
				strerror(errno));
			exit(EXIT_FOUND);
		}
		close(fd);
	}
}

void build_world(void)
{
	world = share(sizeof(*world));
	for (unsigned int k = 0; k < opt.procs; k++) {
		struct proc *p = &world->procs[k];
		uint8_t *data = share(opt.files * opt.max_size);

		p->index = k;
		p->op_name = "start";
		seed_proc(p, opt.seed);
		for (unsigned int i = 0; i < opt.files; i++) {
			struct file *f = &p->slots[p->nslots++];

			f->dir = i % opt.ndirs;
			f->hi = opt.max_size;
			f->data = data + i * opt.max_size;
			must_fit(snprintf(f->path, PATH_LEN, "%s/p%u/f%u",
					  opt.dirs[f->dir], k, i));
		}
	}
	for (unsigned int d = 0; d < opt.ndirs && opt.shared; d++) {
		build_shared(d, "cached", UNEVEN, false, true);
		build_shared(d, "direct", 0, true, false);
		if (opt.shared_mixed)
			build_shared(d, "mixed", 0, false, false);
	}
	if (!opt.resume)
		make_dirs();
}

/* Transfers bytes and keeps a checksum (FNV-1a) of them */
struct stream {
	FILE *file;
	bool writing;
	uint64_t sum;
};

static void transfer(struct stream *s, void *data, size_t len)
{
	uint8_t *bytes = data;
	size_t n;

	if (!len)
		return;
	n = s->writing ? fwrite(data, len, 1, s->file) :
			 fread(data, len, 1, s->file);
	if (n != 1) {
		fprintf(stderr, "exerciser: %s: %s\n", opt.state,
			ferror(s->file) ? strerror(errno) : "too short");
		exit(EXIT_USAGE);
	}
	for (size_t i = 0; i < len; i++)
		s->sum = (s->sum ^ bytes[i]) * 0x100000001B3ull;
}

static void transfer_all(struct stream *s)
{
	for (unsigned int k = 0; k < opt.procs; k++) {
		struct proc *p = &world->procs[k];

		transfer(s, p->rng, sizeof(p->rng));
		transfer(s, &p->op, sizeof(p->op));
		transfer(s, p->done, sizeof(p->done));
		for (unsigned int i = 0; i < opt.files; i++) {
			struct file *f = &p->slots[i];

			transfer(s, &f->exists, sizeof(f->exists));
			transfer(s, &f->size, sizeof(f->size));
			if (f->size > opt.max_size) {
				fprintf(stderr, "exerciser: %s: damaged\n",
					opt.state);
				exit(EXIT_USAGE);
			}
			transfer(s, f->data, f->size);
		}
	}
	for (unsigned int i = 0; i < world->nshared; i++)
		transfer(s, world->shared[i].data, world->shared[i].size);
}

static void fill_header(struct state_header *h)
{
	memset(h, 0, sizeof(*h));
	h->magic = STATE_MAGIC;
	h->seed = opt.seed;
	h->max_size = opt.max_size;
	h->shared = opt.shared;
	h->procs = opt.procs;
	h->ndirs = opt.ndirs;
	h->files = opt.files;
	h->shared_mixed = opt.shared_mixed;
	h->phase = world->phase;
}

void save_state(void)
{
	struct stream s = { .writing = true, .sum = 0xCBF29CE484222325ull };
	struct state_header h;
	char path[PATH_LEN];
	uint64_t sum;

	must_fit(snprintf(path, sizeof(path), "%s.new", opt.state));
	s.file = fopen(path, "we");
	if (!s.file) {
		perror(path);
		exit(EXIT_USAGE);
	}
	fill_header(&h);
	transfer(&s, &h, sizeof(h));
	transfer_all(&s);
	sum = s.sum;
	transfer(&s, &sum, sizeof(sum));
	if (fflush(s.file) || fsync(fileno(s.file)) || fclose(s.file) ||
	    rename(path, opt.state)) {
		perror(opt.state);
		exit(EXIT_USAGE);
	}
}

void load_state(void)
{
	struct stream s = { .sum = 0xCBF29CE484222325ull };
	struct state_header h, want;
	uint64_t sum, stored;

	s.file = fopen(opt.state, "re");
	if (!s.file) {
		perror(opt.state);
		exit(EXIT_USAGE);
	}
	transfer(&s, &h, sizeof(h));
	fill_header(&want);
	want.phase = h.phase;
	if (memcmp(&h, &want, sizeof(h))) {
		fprintf(stderr, "exerciser: %s was saved with other options\n",
			opt.state);
		exit(EXIT_USAGE);
	}
	transfer_all(&s);
	sum = s.sum;
	transfer(&s, &stored, sizeof(stored));
	if (sum != stored) {
		fprintf(stderr, "exerciser: %s: wrong checksum\n", opt.state);
		exit(EXIT_USAGE);
	}
	world->phase = h.phase;
	fclose(s.file);
}
