/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * exerciser: does random things to files and compares each byte read with a
 * model in memory.
 *
 * Every process has its own files (slots), its own random numbers and its own
 * regions of the files that all share, so that what process k does depends on
 * the seed and k alone and can be replayed without the others.
 */
#ifndef EXERCISER_H
#define EXERCISER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MAX_DIRS	16
#define MAX_PROCS	32
#define MAX_SLOTS	64
#define MAX_OPS		64
#define HISTORY		2048
#define PATH_LEN	512
#define BUF_EXTRA	65536

/* Exit codes */
#define EXIT_OK		0
#define EXIT_FOUND	1	/* wrong data or an unexpected error */
#define EXIT_USAGE	2
#define EXIT_HUNG	3

struct options {
	const char *dirs[MAX_DIRS];
	unsigned int ndirs;
	uint64_t ops;
	unsigned int procs;
	uint64_t seed;
	unsigned int block_size;
	unsigned int dio_align;
	uint64_t max_size;
	uint64_t max_io;
	unsigned int files;
	uint64_t shared;	/* bytes of a region; 0: no shared files */
	bool shared_mixed;
	unsigned int phases;
	unsigned int stop_after;
	const char *hook;
	const char *state;
	bool resume;
	bool verify_only;
	bool verbose;
	int only_proc;
	uint64_t corrupt_at;
	unsigned int hang_seconds;
	bool enabled[MAX_OPS];
};

/*
 * One file as it should be.  Lives in memory that all processes share; each
 * slot is touched by its own process only.
 */
struct file {
	bool exists;
	bool fixed;		/* a region of a shared file: size never changes */
	bool direct_only;	/* never through the page cache */
	bool cached_only;	/* never around it */
	uint32_t dir;
	uint64_t size;
	uint64_t lo, hi;	/* the bytes that are ours */
	uint8_t *data;		/* zero from size on */
	char path[PATH_LEN];
};

struct history {
	uint64_t op;
	const char *name;
	int slot;
	uint64_t off, len;
	uint64_t arg;
};

struct proc {
	unsigned int index;
	pid_t pid;
	bool finished;
	uint64_t rng[4];
	uint64_t op;		/* number of the op under way, from 1 */
	const char *op_name;
	uint64_t done[MAX_DIRS][MAX_OPS];
	uint64_t skipped[MAX_OPS];
	uint64_t bytes_compared;
	unsigned int nslots;	/* own files, then regions of shared files */
	struct file slots[MAX_SLOTS];
	uint64_t noted;
	struct history history[HISTORY];
};

/* A file that all processes write to, each in its regions */
struct shared_file {
	char path[PATH_LEN];
	uint64_t size;
	uint8_t *data;
};

/* What all processes see */
struct world {
	volatile int stop;
	unsigned int phase;
	unsigned int nshared;
	struct shared_file shared[MAX_DIRS * 3];
	struct proc procs[MAX_PROCS];
};

/* File descriptors and mapping of a slot, private to the process */
struct handles {
	int fd;			/* through the page cache */
	int dfd;		/* O_DIRECT */
	uint8_t *map;		/* whole file, kept across ops */
	unsigned int align;	/* of direct I/O; 0: not known, 1: none allowed */
	unsigned int mem_align;
};

struct ctx {
	struct proc *p;
	struct handles h[MAX_SLOTS];
	uint8_t *buf;		/* page aligned, max_io + BUF_EXTRA */
	size_t buf_size;
	unsigned long aio;	/* context of io_setup(), 0: none yet */
};

struct op {
	const char *name;
	unsigned int weight;
	/* returns false if it had nothing to do here (counted as skipped) */
	bool (*run)(struct ctx *c, int slot);
	bool on_fixed;		/* also for regions of shared files */
};

extern struct options opt;
extern struct world *world;
extern const struct op op_table[];
extern const unsigned int op_count;

/* model.c */
uint64_t rnd(struct ctx *c);
uint64_t below(struct ctx *c, uint64_t n);
bool chance(struct ctx *c, unsigned int percent);
void seed_proc(struct proc *p, uint64_t seed);
void fill(struct ctx *c, uint8_t *buf, uint64_t off, size_t len);
void note(struct ctx *c, const char *name, int slot, uint64_t off,
	  uint64_t len, uint64_t arg);
void check(struct ctx *c, int slot, uint64_t off, size_t len,
	   const uint8_t *got, const char *how);
void compare(struct proc *p, const struct file *f, int slot, uint64_t off,
	     size_t len, const uint8_t *got, const char *how);
void fail_errno(struct ctx *c, int slot, const char *what)
	__attribute__((noreturn));
void fail(struct ctx *c, int slot, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 3, 4)));
void model_write(struct file *f, uint64_t off, const uint8_t *buf, size_t len);
void model_zero(struct file *f, uint64_t off, uint64_t len);
void model_extend(struct file *f, uint64_t size);
void model_truncate(struct file *f, uint64_t size);

/* files.c: handles, ranges, whole-file verification */
struct file *slot_file(struct ctx *c, int slot);
int cached_fd(struct ctx *c, int slot);
int direct_fd(struct ctx *c, int slot);
uint8_t *slot_map(struct ctx *c, int slot);
void unmap_before_growth(struct ctx *c, int slot, uint64_t end);
void drop_handles(struct ctx *c, int slot);
void check_size(struct ctx *c, int slot);
void verify_slot(struct ctx *c, int slot);
void verify_shared(struct proc *p);
void pwrite_all(struct ctx *c, int slot, int fd, const uint8_t *buf,
		size_t len, uint64_t off);
void pread_all(struct ctx *c, int slot, int fd, uint8_t *buf, size_t len,
	       uint64_t off);
bool pick_range(struct ctx *c, int slot, uint64_t align, bool inside,
		uint64_t *off, uint64_t *len);
void drop_caches(int what);

/* ops_*.c: the bodies of op_table, see there */
bool op_write(struct ctx *c, int slot);
bool op_append(struct ctx *c, int slot);
bool op_pwritev(struct ctx *c, int slot);
bool op_read(struct ctx *c, int slot);
bool op_verify(struct ctx *c, int slot);
bool op_direct_write(struct ctx *c, int slot);
bool op_direct_read(struct ctx *c, int slot);
bool op_aio(struct ctx *c, int slot);
bool op_fsync(struct ctx *c, int slot);
bool op_evict(struct ctx *c, int slot);
bool op_drop(struct ctx *c, int slot);
bool op_close(struct ctx *c, int slot);

bool op_map_write(struct ctx *c, int slot);
bool op_map_read(struct ctx *c, int slot);
bool op_falloc_map(struct ctx *c, int slot);
bool op_map_past_eof(struct ctx *c, int slot);
bool op_direct_map(struct ctx *c, int slot);

bool op_truncate(struct ctx *c, int slot);
bool op_falloc(struct ctx *c, int slot);
bool op_punch(struct ctx *c, int slot);
bool op_zero_range(struct ctx *c, int slot);
bool op_collapse(struct ctx *c, int slot);
bool op_insert(struct ctx *c, int slot);
bool op_holes(struct ctx *c, int slot);

bool op_copy(struct ctx *c, int slot);
bool op_copy_range(struct ctx *c, int slot);
bool op_rename(struct ctx *c, int slot);
bool op_exchange(struct ctx *c, int slot);
bool op_unlink(struct ctx *c, int slot);
bool op_orphan(struct ctx *c, int slot);
bool op_tmpfile(struct ctx *c, int slot);

/* run.c: one process's share of a phase; never returns */
void run_proc(unsigned int index, uint64_t ops) __attribute__((noreturn));

/* state.c */
void *share(size_t bytes);
void build_world(void);
void save_state(void);
void load_state(void);

#endif /* EXERCISER_H */
