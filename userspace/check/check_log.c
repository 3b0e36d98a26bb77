// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt check, the log: recovery as the target runs it, but what it changes
 * stays in memory.
 */
#include <linux/fs.h>
#include <stdalign.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>

#include "check/check.h"

/* The run of recovery, and what went wrong in it. */
struct log_run {
	struct check *c;
	const struct ic_log_block *block;	/* where log blocks are read to */
	u64 seq;		/* block that was read last */
	u64 at;			/* log block that was read last */
	struct left_out {
		u64 records, first, seq;
	} damaged, unreadable;	/* what can't be applied, as a leaf isn't there */
	bool unread;		/* that block could not be read */
	bool no_memory;
	struct check_place *unsettled;
	size_t nr_unsettled;
};

/**
 * check_sector_place() - a sector as a place
 * @c: the run
 * @sector: crypto sector
 * @owner: its owner, or CHECK_NO
 */
struct check_place check_sector_place(const struct check *c, u64 sector,
				      u64 owner)
{
	return (struct check_place){
		.dev = &c->v.data,
		.offset = c->v.data_offset + (sector << c->v.geo.sector_shift),
		.sector = sector,
		.owner = owner,
	};
}

static struct check_place log_place(const struct check *c, u64 seq)
{
	return (struct check_place){
		.dev = c->v.side,
		.offset = c->v.side_offset +
			  ic_log_block_nr(&c->v.geo, seq) * IC_BLOCK_SIZE,
		.sector = CHECK_NO,
		.owner = CHECK_NO,
	};
}

static int read_log(void *home, u64 seq, struct ic_log_block *block)
{
	static alignas(IC_BLOCK_SIZE) u8 buf[IC_BLOCK_SIZE];
	struct log_run *run = home;
	struct check *c = run->c;
	int err;

	run->seq = seq;
	if (block == run->block)
		run->at = seq;
	err = dev_pread(c->v.side, log_place(c, seq).offset, buf, sizeof(buf),
			sizeof(buf));
	run->unread = err;
	if (!err)
		memcpy(block, buf, sizeof(buf));
	return err;
}

/* Read the 4096 bytes around a sector; returns the sector in them. */
static u8 *read_sector(struct check *c, u64 sector, int *err)
{
	static alignas(IC_BLOCK_SIZE) u8 buf[IC_BLOCK_SIZE];
	u64 pos = check_sector_place(c, sector, 0).offset;
	const u8 *kept = redo_find(&c->redo, sector);
	size_t skip = pos % IC_BLOCK_SIZE;

	*err = 0;
	if (kept)
		return memcpy(buf, kept, IC_BLOCK_SIZE);
	*err = dev_pread(&c->v.data, pos - skip, buf, sizeof(buf),
			 skip + c->v.params.sector_size);
	return buf + skip;
}

static void read_heads(void *home, struct ic_try *tries, u32 n)
{
	struct log_run *run = home;

	for (u32 i = 0; i < n; i++) {
		const u8 *data = read_sector(run->c, tries[i].sector,
					     &tries[i].err);

		if (!tries[i].err)
			memcpy(tries[i].head, data, IC_HEAD_SIZE);
	}
}

static u64 sector_number(const struct check *c, u64 sector)
{
	return record_number(c->v.geo.sector_leaf, sector);
}

static int get_sector(void *home, u64 sector, struct ic_sector_record *rec)
{
	struct log_run *run = home;
	union ic_record r;
	int err;

	err = check_record(run->c, sector_number(run->c, sector), &r);
	/* As for the target, nothing is known of a record that can't be had. */
	if (err && err != -ENOMEM) {
		memset(&r, 0, sizeof(r));
		r.sector.owner = cpu_to_le32(IC_SECTOR_LOST);
		err = 0;
	}
	*rec = r.sector;
	run->no_memory |= err;
	return err;
}

/*
 * The target changes records in their leaf: it has to be there.  If it isn't, what
 * the log says of them is left out.  Returns 1 if it is there, 0, or -ENOMEM.
 */
static int have_leaf(struct log_run *run, u64 first, u64 last)
{
	struct left_out *out;
	union ic_record rec;
	int err = check_lookup(run->c, first, &rec);

	explicit_bzero(&rec, sizeof(rec));
	if (!err)
		return 1;
	if (err == -ENOMEM)
		return err;
	out = err == -EBADMSG ? &run->damaged : &run->unreadable;
	if (!out->records) {
		out->first = first;
		out->seq = run->at;
	}
	out->records += last - first + 1;
	return 0;
}

/* Change records of one leaf, or make whole leaves zero: those aren't looked at. */
static int set_part(struct log_run *run, u64 first, u64 last,
		    const union ic_record *rec)
{
	int err = 1;

	if (first % IC_LEAF_RECORDS || (last + 1) % IC_LEAF_RECORDS)
		err = have_leaf(run, first, last);
	if (err == 1)
		err = changes_set(&run->c->changes, first, last, rec);
	run->no_memory |= err;
	return err;
}

static int set(struct log_run *run, u64 first, u64 last,
	       const union ic_record *rec)
{
	u64 part;
	int err = 0;

	for (; first <= last && !err; first = part + 1) {
		/*
		 * A part is all the whole leaves at once, or the piece of one
		 * leaf.
		 */
		part = last;
		if (!(first % IC_LEAF_RECORDS) &&
		    last - first >= IC_LEAF_RECORDS)
			part = (last + 1) / IC_LEAF_RECORDS * IC_LEAF_RECORDS -
			       1;
		else if (last / IC_LEAF_RECORDS != first / IC_LEAF_RECORDS)
			part = (first / IC_LEAF_RECORDS + 1) * IC_LEAF_RECORDS -
			       1;
		err = set_part(run, first, part, rec);
	}
	return err;
}

static int set_sector(void *home, u64 sector,
		      const struct ic_sector_record *rec)
{
	const union ic_record r = { .sector = *rec };
	struct log_run *run = home;
	u64 number = sector_number(run->c, sector);

	return set(run, number, number, &r);
}

/* What comes later settles sectors [@first, @last]. */
static void drop_unsettled(struct log_run *run, u64 first, u64 last)
{
	size_t i, n = 0;

	for (i = 0; i < run->nr_unsettled; i++) {
		const struct check_place *p = &run->unsettled[i];

		if (p->sector < first || p->sector > last)
			run->unsettled[n++] = *p;
	}
	run->nr_unsettled = n;
}

static bool is_unsettled(const struct log_run *run, u64 sector)
{
	for (size_t i = 0; i < run->nr_unsettled; i++)
		if (run->unsettled[i].sector == sector)
			return true;
	return false;
}

static int set_data(void *home, u64 sector, const struct ic_sector_record *rec)
{
	drop_unsettled(home, sector, sector);
	return set_sector(home, sector, rec);
}

static int redo(void *home, u64 sector, const void *data)
{
	struct log_run *run = home;
	int err;

	/* The disk may have a later writing of this sector. */
	if (is_unsettled(run, sector))
		return 0;
	err = redo_keep(&run->c->redo, sector, data);
	run->no_memory |= err;
	return err ? err : 1;
}

static int set_owner(void *home, u32 ino, const union ic_record *rec)
{
	struct log_run *run = home;
	u64 number = record_number(run->c->v.geo.owner_leaf, ino);

	return set(run, number, number, rec);
}

static int set_key(void *home, u32 slot, const union ic_record *rec)
{
	return set(home, slot, slot, rec);
}

static int zero(void *home, u64 first, u64 last)
{
	static const union ic_record none;
	struct log_run *run = home;

	drop_unsettled(run, first, last);
	return set(run, sector_number(run->c, first),
		   sector_number(run->c, last), &none);
}

static int unsettled(void *home, u64 sector, const struct ic_sector_record *rec,
		     const u8 head[IC_HEAD_SIZE])
{
	struct log_run *run = home;
	struct check_place *more;

	(void)head;
	more = reallocarray(run->unsettled, run->nr_unsettled + 1,
			    sizeof(*more));
	if (!more) {
		run->no_memory = true;
		return -ENOMEM;
	}
	run->unsettled = more;
	more[run->nr_unsettled++] =
		check_sector_place(run->c, sector, le32_to_cpu(rec->owner));
	return 0;
}

/* Report the sectors that nothing later settled. */
static void report_unsettled(struct log_run *run)
{
	for (size_t i = 0; i < run->nr_unsettled; i++)
		check_report(run->c, CK_UNSETTLED, &run->unsettled[i],
			     "sector %llu can't be read, so that either of two writings may hold",
			     (unsigned long long)run->unsettled[i].sector);
	free(run->unsettled);
}

static int verify_one(const struct log_run *run, u64 sector,
		      const struct ic_sector_record *rec)
{
	struct check *c = run->c;
	const struct ic_params *p = &c->v.params;
	struct check_place place = check_sector_place(c, sector, 0);
	struct ic_sector_aad aad;
	u8 *data;
	int err;

	data = read_sector(c, sector, &err);
	if (err)
		return err;
	ic_sector_aad(&aad, p->uuid, sector, 0, 0);
	err = ic_data_open(p->cipher, c->data_key.key, rec->nonce, &aad,
			   sizeof(aad), data, p->sector_size, rec->tag);
	explicit_bzero(data, p->sector_size);
	/* The sector can be read by now, and may have the other writing. */
	if (err == -EBADMSG && is_unsettled(run, sector))
		return -EIO;
	if (err == -EBADMSG)
		check_report(c, CK_TORN, &place,
			     "sector %llu was cut off while it was written; if it was zeros before it reads so, else as an error",
			     (unsigned long long)sector);
	return err;
}

static void verify(void *home, struct ic_try *tries, u32 n)
{
	const struct log_run *run = home;

	for (u32 i = 0; i < n; i++)
		tries[i].err = verify_one(run, tries[i].sector, &tries[i].rec);
}

/* Wait before the next try, as the target does: an error may pass. */
static void wait_a_moment(void *home)
{
	const struct timespec moment = { .tv_nsec = 300000000 };

	(void)home;
	nanosleep(&moment, NULL);
}

static int progress(void *home)
{
	struct log_run *run = home;

	progress_show("log", run->seq, 0, 0);
	return 0;
}

static const char *what_record(const struct check *c, u64 number, char *out,
			       size_t size)
{
	u64 leaf = number / IC_LEAF_RECORDS, first = 0;
	const char *kind = "key slot";

	if (leaf >= c->v.geo.sector_leaf) {
		first = c->v.geo.sector_leaf;
		kind = "sector";
	} else if (leaf >= c->v.geo.owner_leaf) {
		first = c->v.geo.owner_leaf;
		kind = "owner";
	}
	snprintf(out, size, "the record of %s %llu", kind,
		 (unsigned long long)(number - record_number(first, 0)));
	return out;
}

/*
 * Report what recovery goes on without, or can't go on without if it is to
 * write.
 */
static void report_left_out(struct log_run *run)
{
	struct check_place place;
	char what[80];

	if (run->damaged.records) {
		place = log_place(run->c, run->damaged.seq);
		check_report(run->c, CK_RECOVERY, &place,
			     "the log changes %s that can't be had, and %llu more: opening the volume leaves that out, --repair keeps it",
			     what_record(run->c, run->damaged.first, what,
					 sizeof(what)),
			     (unsigned long long)run->damaged.records - 1);
	}
	if (run->unreadable.records) {
		place = log_place(run->c, run->unreadable.seq);
		check_report(run->c, CK_UNREADABLE, &place,
			     "the log changes %s that can't be read, and %llu more: until it can, or --repair keeps that, the volume opens only with --readonly or --give-up-unreadable",
			     what_record(run->c, run->unreadable.first, what,
					 sizeof(what)),
			     (unsigned long long)run->unreadable.records - 1);
	}
	run->c->log.unreadable_leaves = run->unreadable.records > 0;
	run->c->log.lost = run->damaged.records + run->unreadable.records;
}

/* Report why recovery stops. The tree is checked as it was committed, then. */
static void report_failure(struct log_run *run, int err)
{
	struct check *c = run->c;
	unsigned long long seq = run->unread ? run->seq : run->at;
	struct check_place place = log_place(c, seq);

	c->log.stopped = seq;
	if (run->unread) {
		c->log.state = "unreadable";
		check_report(c, CK_UNREADABLE, &place,
			     "block %llu of the log can't be read: %s", seq,
			     strerror(-err));
	} else {
		c->log.state = "damaged";
		check_report(c, CK_LOG, &place,
			     "block %llu of the log authenticates, but makes no sense",
			     seq);
	}
}

/*
 * A block of the log can't be read: report whether it is the log's end, or
 * more.
 */
static void report_unread(struct check *c, const struct ic_recovery *r)
{
	struct check_place place = log_place(c, r->unread_block);

	c->log.state = "unreadable";
	c->log.stopped = r->unread_block;
	c->log.is_end = !r->doubt;
	check_report(c, CK_UNREADABLE, &place, r->doubt ?
		     "block %llu of the log can't be read, and seems not to be its end" :
		     "block %llu of the log can't be read, and is taken for its end",
		     (unsigned long long)r->unread_block);
}

/* As the target asks: can a power cut leave half a sector written? */
static bool can_tear(const struct check *c)
{
	int unit = IC_MIN_SECTOR_SIZE;

	if (!c->v.data.is_file && ioctl(c->v.data.fd, BLKSSZGET, &unit))
		unit = IC_MIN_SECTOR_SIZE;
	return unit < (int)c->v.params.sector_size;
}

/**
 * check_log() - verify the log, and find what recovery makes of the tree
 * @c: with the superblocks read; receives @c->changes
 *
 * Return: 0 or an exit code.
 */
int check_log(struct check *c)
{
	const struct ic_params *p = &c->v.params;
	const struct ic_recovery_ops ops = {
		.read_log = read_log,
		.read_heads = read_heads,
		.get_sector = get_sector,
		.set_sector = set_sector,
		.set_data = set_data,
		.redo = redo,
		.set_owner = set_owner,
		.set_key = set_key,
		.zero = zero,
		.unsettled = unsettled,
		.verify = can_tear(c) ? verify : NULL,
		.pause = wait_a_moment,
		.progress = progress,
	};
	struct ic_try tries[IC_LOG_TRIES];
	struct ic_log_block block;
	struct log_run run = { .c = c, .block = &block };
	u8 master[IC_KEY_SIZE], data[IC_BLOCK_SIZE];
	struct ic_recovery r = {
		.ops = &ops,
		.home = &run,
		.geo = &c->v.geo,
		.uuid = p->uuid,
		.log_master = master,
		.block = &block,
		.data = data,
		.tries = tries,
	};
	int err;

	if (!ic_derive_volume_key(c->vk.key, p->uuid, IC_LABEL_LOG, master))
		r.key = ic_meta_key_new(master);
	if (!r.key)
		return fail(EX_FAIL, "libcrypto fails");
	err = ic_recover(&r, &c->v.state);
	ic_meta_key_free(r.key);
	explicit_bzero(master, sizeof(master));
	c->log.start = r.start;
	c->log.end = r.end > r.start ? r.end : r.start;
	c->log.low = r.low;
	c->log.cuts = r.cuts;
	c->log.facts = r.facts;
	c->log.candidates = r.candidates;
	c->log.kept = r.kept;
	c->log.unread = r.unread;
	c->log.redone = r.redone;
	c->log.torn = r.torn;
	c->log.state = "valid";
	c->log.stopped = CHECK_NO;
	if (r.end_unread)
		report_unread(c, &r);
	report_unsettled(&run);
	report_left_out(&run);
	if (run.no_memory)
		return fail(EX_FAIL, "not enough memory for what the log changes");
	if (err) {
		if (!r.end_unread)
			report_failure(&run, err);
		changes_drop(&c->changes);
		redo_drop(&c->redo);
		c->log.redone = 0;
	}
	return changes_sort(&c->changes) ? fail(EX_FAIL, "out of memory") : 0;
}
