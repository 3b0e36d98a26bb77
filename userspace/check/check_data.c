// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt check --data: read and verify the sectors that have records.
 *
 * The thread that walks the tree makes a job of each leaf of sector records,
 * with the keys that it takes; other threads read and verify; the first one
 * takes the verdicts back in order.
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "check/check.h"

#define MAX_THREADS	8
#define BUF_BYTES	((IC_LEAF_RECORDS + 1) * IC_MAX_SECTOR_SIZE)

enum verdict { NOTHING, TODO, GOOD, BAD, UNREAD, NO_KEY, NO_CIPHER };

struct job {
	u64 first;
	u32 nr;
	struct ic_sector_record rec[IC_LEAF_RECORDS];
	u32 gen[IC_LEAF_RECORDS];
	u8 key[IC_LEAF_RECORDS][IC_KEY_SIZE];
	u8 verdict[IC_LEAF_RECORDS];
	int error;		/* of the last sector that couldn't be read */
	u8 *buf;
	enum { IDLE, READY, TAKEN, DONE } state;
};

/**
 * struct check_data - jobs and who does them
 * @lock: guards the states of @job, @take, @stop
 * @ready: a job is ready, or it is time to stop
 * @done: a job is done
 * @next: job to be filled in next, the checking thread's own
 * @take: job to be done next
 */
struct check_data {
	struct check *c;
	pthread_t thread[MAX_THREADS];
	u32 threads, jobs;
	struct job *job;
	pthread_mutex_t lock;
	pthread_cond_t ready, done;
	u32 next, take;
	bool stop;
};

static void verify(const struct check *c, struct job *j, u32 i, u8 *data)
{
	const struct ic_params *p = &c->v.params;
	const struct ic_sector_record *rec = &j->rec[i];
	struct ic_sector_aad aad;
	int err;

	ic_sector_aad(&aad, p->uuid, j->first + i, le32_to_cpu(rec->owner),
		      j->gen[i]);
	err = ic_data_open(p->cipher, j->key[i], rec->nonce, &aad, sizeof(aad),
			   data, p->sector_size, rec->tag);
	if (err == -EBADMSG)
		j->verdict[i] = BAD;
	else if (err == -EOPNOTSUPP)
		j->verdict[i] = NO_CIPHER;
	else
		j->verdict[i] = err ? UNREAD : GOOD;
	if (err && err != -EBADMSG)
		j->error = err;
}

/* Sectors @from to @to - 1 of a job, which all are to be read. */
static int read_sectors(const struct check *c, struct job *j, u32 from, u32 to)
{
	u32 size = c->v.params.sector_size;
	u64 pos = c->v.data_offset + (j->first + from) * size;
	size_t skip = pos % IC_BLOCK_SIZE, need = skip + (to - from) * size;
	size_t len = (need + IC_BLOCK_SIZE - 1) / IC_BLOCK_SIZE * IC_BLOCK_SIZE;
	int err;

	err = dev_pread(&c->v.data, pos - skip, j->buf, len, need);
	if (err)
		return err;
	for (u32 i = from; i < to; i++)
		verify(c, j, i, j->buf + skip + (i - from) * size);
	return 0;
}

/* The disk's contents don't count where the log's will be put in their place. */
static void verify_redone(const struct check *c, struct job *j)
{
	for (u32 i = 0; i < j->nr; i++) {
		const u8 *data = redo_find(&c->redo, j->first + i);

		if (!data || j->verdict[i] != TODO)
			continue;
		memcpy(j->buf, data, IC_BLOCK_SIZE);
		verify(c, j, i, j->buf);
	}
}

static void do_job(const struct check *c, struct job *j)
{
	u32 from = 0, to;

	verify_redone(c, j);
	for (; from < j->nr; from = to) {
		to = from + 1;
		if (j->verdict[from] != TODO)
			continue;
		while (to < j->nr && j->verdict[to] == TODO)
			to++;
		if (!read_sectors(c, j, from, to))
			continue;
		/* Some of them can't be read: find out which. */
		for (u32 i = from; i < to; i++) {
			int err = read_sectors(c, j, i, i + 1);

			if (!err)
				continue;
			j->verdict[i] = UNREAD;
			j->error = err;
		}
	}
	explicit_bzero(j->buf, BUF_BYTES);
	explicit_bzero(j->key, sizeof(j->key));
}

static void *worker(void *arg)
{
	struct check_data *d = arg;

	pthread_mutex_lock(&d->lock);
	while (!d->stop) {
		struct job *j = &d->job[d->take];

		if (j->state != READY) {
			pthread_cond_wait(&d->ready, &d->lock);
			continue;
		}
		j->state = TAKEN;
		d->take = (d->take + 1) % d->jobs;
		pthread_mutex_unlock(&d->lock);
		do_job(d->c, j);
		pthread_mutex_lock(&d->lock);
		j->state = DONE;
		pthread_cond_signal(&d->done);
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

static void report_bad(struct check *c, const struct job *j, u32 i)
{
	u32 ino = le32_to_cpu(j->rec[i].owner);
	unsigned long long sector = j->first + i;
	struct check_place at = check_sector_place(c, sector, ino);

	if (j->verdict[i] == UNREAD)
		check_report(c, CK_UNREADABLE, &at,
			     "sector %llu can't be read: %s", sector,
			     strerror(-j->error));
	else if (ino)
		check_report(c, CK_OWNED_DATA, &at,
			     "sector %llu doesn't verify under the key of owner %u: changed, or left over from an earlier file of that inode number",
			     sector, ino);
	else
		check_report(c, CK_DATA, &at,
			     "sector %llu of the volume's own doesn't verify",
			     sector);
}

/* Report the verdicts of a job that has been done. */
static void reap(struct check *c, const struct job *j)
{
	u64 *count[] = {
		[NOTHING] = NULL,
		[TODO] = NULL,
		[GOOD] = &c->sectors.verified,
		[BAD] = &c->sectors.bad,
		[UNREAD] = &c->sectors.unread,
		[NO_KEY] = &c->sectors.no_key,
		[NO_CIPHER] = &c->sectors.no_cipher,
	};

	for (u32 i = 0; i < j->nr; i++) {
		if (count[j->verdict[i]])
			++*count[j->verdict[i]];
		if (j->verdict[i] == BAD || j->verdict[i] == UNREAD)
			report_bad(c, j, i);
	}
}

/* Return the next job to fill in, once it is idle. */
static struct job *next_job(struct check *c)
{
	struct check_data *d = c->io;
	struct job *j = &d->job[d->next];

	pthread_mutex_lock(&d->lock);
	while (j->state == READY || j->state == TAKEN)
		pthread_cond_wait(&d->done, &d->lock);
	pthread_mutex_unlock(&d->lock);
	if (j->state == DONE)
		reap(c, j);
	j->state = IDLE;
	return j;
}

/*
 * Find the key for one sector. That is the checking thread's part of the work.
 */
static void add_sector(struct check *c, struct job *j, u32 i)
{
	u32 ino = le32_to_cpu(j->rec[i].owner);
	const struct check_owner *o;

	if (!ino) {
		memcpy(j->key[i], c->data_key.key, IC_KEY_SIZE);
		j->gen[i] = 0;
		j->verdict[i] = TODO;
		return;
	}
	o = check_owner(c, ino);
	if (o->state != OWNER_KEYED) {
		/* A sector can't be read if its owner itself is gone. */
		j->verdict[i] = o->state == OWNER_NOKEY ? NO_KEY : NOTHING;
		return;
	}
	memcpy(j->key[i], o->key, IC_KEY_SIZE);
	j->gen[i] = o->gen;
	j->verdict[i] = TODO;
}

/**
 * check_data_add() - verify the data of a leaf's sectors
 * @c: the run
 * @first: first sector
 * @nr: how many, at most IC_LEAF_RECORDS
 * @rec: their records
 */
void check_data_add(struct check *c, u64 first, u32 nr,
		    const union ic_record *rec)
{
	struct check_data *d = c->io;
	struct job *j = next_job(c);
	bool any = false;

	j->first = first;
	j->nr = nr;
	for (u32 i = 0; i < nr; i++) {
		j->rec[i] = rec[i].sector;
		j->verdict[i] = NOTHING;
		if (mem_is_zero(&rec[i], sizeof(rec[i])) ||
		    ic_sector_lost(&rec[i].sector))
			continue;
		add_sector(c, j, i);
		any = true;
	}
	if (!any)
		return;
	pthread_mutex_lock(&d->lock);
	j->state = READY;
	pthread_cond_signal(&d->ready);
	pthread_mutex_unlock(&d->lock);
	d->next = (d->next + 1) % d->jobs;
}

/**
 * check_data_start() - start the threads
 * @c: the run, with its volume's parameters
 *
 * Return: 0 or an exit code; check_data_stop() cleans up in both cases.
 */
int check_data_start(struct check *c)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct check_data *d = calloc(1, sizeof(*d));
	u32 threads = cpus < 2 ? 2 : cpus;

	if (!d)
		return fail(EX_FAIL, "out of memory");
	c->io = d;
	d->c = c;
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->ready, NULL);
	pthread_cond_init(&d->done, NULL);
	if (threads > MAX_THREADS)
		threads = MAX_THREADS;
	d->jobs = 3 * threads;
	d->job = calloc(d->jobs, sizeof(*d->job));
	if (!d->job)
		return fail(EX_FAIL, "out of memory");
	for (u32 i = 0; i < d->jobs; i++) {
		d->job[i].buf = aligned_alloc(IC_BLOCK_SIZE, BUF_BYTES);
		if (!d->job[i].buf)
			return fail(EX_FAIL, "out of memory");
	}
	for (; d->threads < threads; d->threads++)
		if (pthread_create(&d->thread[d->threads], NULL, worker, d))
			break;
	return d->threads ? 0 : fail(EX_FAIL, "can't start a thread");
}

/**
 * check_data_finish() - wait for all that is under way
 * @c: the run
 */
void check_data_finish(struct check *c)
{
	struct check_data *d = c->io;

	for (u32 i = 0; i < d->jobs; i++) {
		next_job(c);
		d->next = (d->next + 1) % d->jobs;
	}
}

/**
 * check_data_stop() - end the threads, wipe and free
 * @c: the run, with or without check_data_start()
 */
void check_data_stop(struct check *c)
{
	struct check_data *d = c->io;

	if (!d)
		return;
	pthread_mutex_lock(&d->lock);
	d->stop = true;
	pthread_cond_broadcast(&d->ready);
	pthread_mutex_unlock(&d->lock);
	while (d->threads)
		pthread_join(d->thread[--d->threads], NULL);
	for (u32 i = 0; d->job && i < d->jobs; i++)
		free(d->job[i].buf);
	if (d->job)
		explicit_bzero(d->job, d->jobs * sizeof(*d->job));
	free(d->job);
	free(d);
	c->io = NULL;
}
