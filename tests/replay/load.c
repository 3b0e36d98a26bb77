// SPDX-License-Identifier: GPL-2.0-only
/*
 * replay load: do the tasks' steps on a real file system, each task in a
 * process of its own, and mark in the log what was synced.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "replay.h"

/**
 * mark() - put into the log that a task's step was synced
 * @task: its number
 * @step: its number
 */
void mark(unsigned int task, unsigned int step)
{
	char message[64];

	snprintf(message, sizeof(message), "mark %u:%u", task, step);
	dm_send(opt.dm_log, message);
}

static void do_write(const struct model *m, const struct op *op, int fd,
		     uint8_t *buf)
{
	struct iovec iov = { .iov_base = buf, .iov_len = op->len };
	ssize_t n;

	op_data(m, op, buf);
	n = pwritev2(fd, &iov, 1, op->off, op->synced ? RWF_DSYNC : 0);
	if (n != op->len)
		die("%s, step %u: write: %s", m->task->path, op->n,
		    n < 0 ? strerror(errno) : "short");
}

static int do_op(const struct model *m, const struct op *op, uint8_t *buf)
{
	int flags = op->kind == OP_CREATE ? O_CREAT | O_EXCL :
		    op->kind == OP_DIRECT ? O_DIRECT : 0;
	char path[16], to[16];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "f%u", op->name);
	if (op->kind == OP_RENAME) {
		snprintf(to, sizeof(to), "f%u", op->to);
		return rename(path, to);
	}
	if (op->kind == OP_UNLINK)
		return unlink(path);
	fd = op->kind == OP_DIRSYNC || op->kind == OP_SYNCFS ?
	     open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) :
	     open(path, O_RDWR | O_CLOEXEC | flags, 0644);
	if (fd < 0)
		return -1;
	switch (op->kind) {
	case OP_CREATE:
	case OP_WRITE:
	case OP_DIRECT:
		do_write(m, op, fd, buf);
		break;
	case OP_TRUNCATE:
		ret = ftruncate(fd, op->off);
		break;
	case OP_PUNCH:
	case OP_ZERO:
		ret = fallocate(fd, FALLOC_FL_KEEP_SIZE |
				(op->kind == OP_PUNCH ? FALLOC_FL_PUNCH_HOLE :
				 FALLOC_FL_ZERO_RANGE), op->off, op->len);
		break;
	case OP_FDATASYNC:
		ret = fdatasync(fd);
		break;
	case OP_SYNCFS:
		ret = syncfs(fd);
		break;
	default:
		ret = fsync(fd);
	}
	if (close(fd))
		ret = -1;
	return ret;
}

static void files_load(const struct task *t)
{
	struct model *m = model_new(t);
	uint8_t *buf = mmap(NULL, FILE_MAX, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int turn = -1;
	char why[400];
	struct op op;

	if (opt.serial) {
		turn = open("/tmp/replay.turn", O_RDWR | O_CREAT | O_CLOEXEC,
			    0600);
		if (turn < 0)
			die("/tmp/replay.turn: %s", strerror(errno));
	}
	if (buf == MAP_FAILED || chdir(opt.mnt) || chdir(t->path))
		die("%s: %s", t->path, strerror(errno));
	while (m->done < t->steps) {
		model_next(m, &op);
		if (turn >= 0)
			flock(turn, LOCK_EX);
		if (do_op(m, &op, buf))
			die("%s, step %u (kind %u): %s", t->path, op.n,
			    op.kind, strerror(errno));
		if (op_syncs(&op))
			mark(t->index, op.n);
		if (turn >= 0)
			flock(turn, LOCK_UN);
		model_apply(m, &op, true);
	}
	/* The model itself is right, where nothing was cut. */
	if (chdir("/") || model_verify(m, opt.mnt, why, sizeof(why)))
		die("without a cut: %s", why);
}

/**
 * load() - do all tasks at once; ends the program if one fails
 */
void load(void)
{
	pid_t pids[MAX_TASKS];
	bool bad = false;
	int status;

	for (unsigned int i = 0; i < opt.ntasks; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			die("fork: %s", strerror(errno));
		if (pids[i])
			continue;
		dm_quiet();
		if (opt.tasks[i].kind == TASK_DB)
			db_load(&opt.tasks[i], opt.mnt);
		else
			files_load(&opt.tasks[i]);
		exit(0);
	}
	for (unsigned int i = 0; i < opt.ntasks; i++)
		if (waitpid(pids[i], &status, 0) < 0 || status)
			bad = true;
	if (bad)
		die("a task failed");
}
