/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * replay: does work that syncs often on a file system whose device below is
 * logged by dm-log-writes, then replays the log up to chosen flushes and looks
 * whether all that was synced is there.
 *
 * Work is done by tasks.  What step n of a task does depends on the seed, the
 * task and n alone.  When a sync of step n has returned, the task puts a mark
 * "TASK:n" into the log; no other record is needed to know what has to be
 * there after a crash anywhere in the log.
 */
#ifndef REPLAY_H
#define REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devmapper.h"

#ifndef fallthrough
#define fallthrough	__attribute__((__fallthrough__))
#endif

#define MAX_TASKS	12
#define START_MARK	"start"

enum task_kind { TASK_FILES, TASK_DB };

/**
 * struct task - one that does steps one after the other
 * @path: directory of its files, or the database
 * @mode: journal mode of the database
 * @steps: how many
 */
struct task {
	enum task_kind kind;
	unsigned int index;
	const char *path;
	const char *mode;
	unsigned int steps;
};

struct options {
	uint64_t seed;
	bool direct_sync, simple, serial;
	struct task tasks[MAX_TASKS];
	unsigned int ntasks;
	const char *dm_log;		/* load: name of the log-writes device */
	const char *log, *base, *cow;	/* check: devices */
	const char *table;
	const char *volume_key;
	const char *keys[8];
	unsigned int nkeys;
	const char *readable[4];	/* directories: no file may fail to read */
	unsigned int nreadable;
	const char *mnt;
	const char *mount_opts;
	unsigned int points;		/* 0: all */
	unsigned int variants;
	long only_entry;		/* -1: none */
	bool lose;
};

extern struct options opt;

/* main.c */
void die(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));
uint64_t rnd(uint64_t *state);
uint64_t below(uint64_t *state, uint64_t n);

/* model.c: what a directory's files hold */
#define BLOCK		4096
#define FILE_BLOCKS	32
#define FILE_MAX	(BLOCK * FILE_BLOCKS)
#define NAMES		8
#define OBJECTS		30
#define ABSENT		0x80000000u

enum op_kind {
	OP_CREATE, OP_WRITE, OP_DIRECT, OP_TRUNCATE, OP_PUNCH, OP_ZERO,
	OP_FSYNC, OP_FDATASYNC, OP_DIRSYNC, OP_SYNCFS, OP_RENAME, OP_UNLINK,
};

/**
 * struct op - a step of a files task
 * @n: number, from 1
 * @synced: a write that is durable when it returns (RWF_DSYNC)
 * @name: which
 * @to: of a rename
 */
struct op {
	unsigned int n;
	enum op_kind kind;
	bool synced;
	unsigned int name, to;
	uint32_t off, len;
};

/* One content that a block may have after a crash */
struct version {
	struct version *next;
	uint8_t data[BLOCK];
};

/**
 * struct object - a file, under whatever name
 * @moved: was renamed
 * @min_size: it may have after a crash
 * @zero: block may read as zeros
 * @version: other contents that it may have
 * @unflushed: it was written since the last flush that surely followed
 * @through: since then it was written with RWF_DSYNC, so perhaps by FUA
 * @data: now; zeros past the end
 */
struct object {
	bool moved;
	uint32_t size, min_size, max_size;
	bool zero[FILE_BLOCKS];
	struct version *version[FILE_BLOCKS];
	bool unflushed[FILE_BLOCKS], through[FILE_BLOCKS];
	uint8_t data[FILE_MAX];
};

/**
 * struct model - the files of a task
 * @done: steps so far
 * @calm: name of the file that the last step synced, -1: none
 * @now: object of each name, -1: none
 * @possible: bit set of the objects it may be after a crash, or ABSENT
 */
struct model {
	const struct task *task;
	uint64_t rng;
	unsigned int done;
	int calm;
	int now[NAMES];
	uint32_t possible[NAMES];
	struct object *objects[OBJECTS];
};

struct model *model_new(const struct task *t);
struct model *model_copy(const struct model *m);
void model_free(struct model *m);
void model_next(struct model *m, struct op *op);
bool op_syncs(const struct op *op);
void model_apply(struct model *m, const struct op *op, bool acknowledged);
void op_data(const struct model *m, const struct op *op, uint8_t *buf);
const char *model_verify(struct model *m, const char *mnt, char *why,
			 size_t size);

/* db.c: a SQLite database */
#define ROWS	160

struct db_model {
	const struct task *task;
	unsigned int done;
	unsigned int row[ROWS];	/* the transaction that wrote it; 0: none */
};

void db_load(const struct task *t, const char *mnt);
void db_apply(struct db_model *m);
const char *db_verify(const struct db_model *m, const char *mnt, char *why,
		      size_t size);

/* load.c */
void load(void);
void mark(unsigned int task, unsigned int step);

/* log.c: the log of dm-log-writes */
enum { LOG_FLUSH = 1, LOG_FUA = 2, LOG_DISCARD = 4, LOG_MARK = 8 };

struct entry {
	uint64_t sector, sectors;
	unsigned int flags;
	const uint8_t *data;	/* of a mark: its text */
	unsigned int text_len;
};

struct log {
	struct entry *entries;
	size_t count;
	unsigned int sector_size;
};

void log_read(struct log *log, const char *dev);
void entry_apply(const struct log *log, const struct entry *e, int fd);
void entry_apply_part(const struct log *log, const struct entry *e, int fd,
		      uint64_t from, uint64_t bytes);

/* dm.c: devices */
void volume_prepare(void);
uint64_t dm_lower_sector(uint64_t offset);
const char *volume_open(const char *name, const char *dev);

/* check.c */
int check(void);

#endif /* REPLAY_H */
