// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt check --repair: what it would do, and at what cost, and doing it.
 *
 * All is committed by one superblock of the next epoch, in the copy that isn't
 * current, as a checkpoint's would be.  The log goes on to follow it.
 */
#include <stdalign.h>
#include <stdarg.h>
#include <unistd.h>

#include "check/check.h"

/* Nodes that the plan names one by one. */
#define PLAN_NODES	20

#define COST_SECTORS	"they read as errors until they are written or discarded; " \
			"what the log has of them is kept"
#define COST_OWNERS	"what is under a key in these files reads as errors, for good"
#define COST_KEYS	"these keys get other slots; what is under them can still be read"
#define COST_ALL	"nearly all: every file under a key, and these sectors, read as errors"

enum { COSTS_NOTHING, COSTS, NO_REPAIR };

static void __printf(4, 5) plan(struct check *c, int kind, const char *cost,
				const char *fmt, ...)
{
	struct json_object *o = put_object(c->plan, NULL);
	char what[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	put_str(o, "what", what);
	put_bool(o, "possible", kind != NO_REPAIR);
	put_str(o, "cost", cost);
	c->costs |= kind == COSTS;
}

static bool root_bad(const struct check *c)
{
	return c->nr_bad && c->bad[0].level == c->v.geo.levels - 1;
}

static void plan_nodes(struct check *c)
{
	const struct ic_geometry *g = &c->v.geo;
	char what[80];

	if (root_bad(c)) {
		plan(c, NO_REPAIR,
		     "all that the volume has is below it: put a copy of the sidecar back, or format anew",
		     "the tree's root can't be had");
		return;
	}
	for (size_t i = 0; i < c->nr_bad; i++) {
		const struct check_bad *b = &c->bad[i];
		const char *cost = COST_SECTORS;

		if (i == PLAN_NODES) {
			plan(c, COSTS, "likewise", "give up %zu more nodes",
			     c->nr_bad - i);
			return;
		}
		check_describe(c, &b->leaves, what, sizeof(what));
		if (b->leaves.last < g->owner_leaf)
			cost = COST_KEYS;
		else if (b->leaves.last < g->sector_leaf)
			cost = COST_OWNERS;
		else if (b->leaves.first < g->sector_leaf)
			cost = COST_ALL;
		plan(c, COSTS, cost, "give up node %u:%llu%s: %s", b->level,
		     (unsigned long long)b->index, b->err == -EBADMSG ? "" :
		     ", unless it can be read then", what);
	}
}

static void plan_super(struct check *c)
{
	const struct ic_super_copy *other = &c->v.copy[!c->v.current];

	if (other->err)
		plan(c, COSTS,
		     "if it was the newer one, the last checkpoint is lost for good: sectors written since read as errors",
		     "write superblock copy %d anew", !c->v.current);
	else if (c->kinds[CK_SUPERBLOCK])
		plan(c, COSTS_NOTHING, "nothing",
		     "write superblock copy %d anew", !c->v.current);
}

/* The block that recovery stops at, as its device can't read it or it is nonsense. */
static void plan_log(struct check *c)
{
	u64 in_ring;

	if (c->log.stopped == CHECK_NO)
		return;
	if (c->log.is_end) {
		plan(c, COSTS,
		     "if it was the newest one, what it had is lost: these sectors are as before, or read as errors",
		     "end the log before block %llu of it, unless it can be read then",
		     (unsigned long long)c->log.stopped);
		return;
	}
	in_ring = c->v.geo.log_blocks - (c->log.stopped - c->log.start);
	plan(c, COSTS,
	     "what the log has from there on is lost, synced writes too: these sectors are as before, or read as errors",
	     "end the log before block %llu of it (at most %llu blocks follow)",
	     (unsigned long long)c->log.stopped, (unsigned long long)in_ring);
}

/* Is there anything besides that makes it uncertain what the fields should be? */
static const char *obstacle(const struct check *c)
{
	static const enum check_kind certain[] = {
		CK_OWNER_COUNT, CK_OWNED_FLAG, CK_TORN, CK_LOST, CK_SUPERBLOCK,
		CK_NODE, CK_RECOVERY, CK_LOG, CK_UNREADABLE, CK_UNSETTLED,
	};
	u64 damage = 0;

	for (int k = 0; k < CK_KINDS; k++)
		damage += c->kinds[k];
	for (size_t i = 0; i < ARRAY_SIZE(certain); i++)
		damage -= c->kinds[certain[i]];
	if (root_bad(c))
		return "the tree's root can't be had";
	if (damage)
		return "there is other damage, so that it isn't known what is right";
	return NULL;
}

static void plan_fields(struct check *c)
{
	u64 found = c->kinds[CK_OWNER_COUNT] + c->kinds[CK_OWNED_FLAG];
	const char *why = obstacle(c);

	if (found && why)
		plan(c, NO_REPAIR, why,
		     "the superblock's word about owners can't be put right");
	else if (found)
		plan(c, COSTS_NOTHING, "nothing",
		     "put the superblock's word about owners right");
}

/**
 * check_plan() - find what a repair would do, and what it would cost
 * @c: the run, all else done; receives its plan
 */
void check_plan(struct check *c)
{
	c->plan = json_object_new_array();
	plan_nodes(c);
	plan_log(c);
	plan_super(c);
	plan_fields(c);
}

/* Ask whoever sits at the terminal, if the repair costs anything. */
static bool confirmed(const struct check *c)
{
	char line[16];

	if (c->yes || c->json || !c->costs || !isatty(STDIN_FILENO))
		return true;
	say_part("Type YES to go on: ");
	fflush(stdout);
	return fgets(line, sizeof(line), stdin) && !strcmp(line, "YES\n");
}

static void fixed(struct check *c, enum check_grade grade, u64 n)
{
	c->fixed[grade] += n;
}

static int write_super(struct check *c, const struct ic_state *next)
{
	u8 raw[IC_KEY_SIZE], nonce[IC_NONCE_SIZE];
	u8 block[IC_BLOCK_SIZE] = { 0 };
	struct ic_meta_key *key = NULL;
	struct ic_super sb;
	int ret;

	ret = random_bytes(nonce, sizeof(nonce));
	if (ret)
		return ret;
	if (!ic_derive_volume_key(c->vk.key, c->v.params.uuid, IC_LABEL_SUPER,
				  raw))
		key = ic_meta_key_new(raw);
	explicit_bzero(raw, sizeof(raw));
	if (!key || ic_super_seal(&sb, key, &c->v.params, next, nonce))
		ret = fail(EX_FAIL, "libcrypto fails");
	ic_meta_key_free(key);
	if (ret)
		return ret;
	memcpy(block, &sb, sizeof(sb));
	/*
	 * The blocks of the tree have to be durable before the superblock names
	 * them.
	 */
	ret = dev_flush(c->v.side);
	if (!ret)
		ret = check_write_block(c, c->v.side_offset +
					IC_SUPER_BLOCK(next->epoch & 1) *
					IC_BLOCK_SIZE, block);
	return ret ? ret : dev_flush(c->v.side);
}

/*
 * A superblock copy that couldn't be read before may be readable by now, and be
 * the newer one.
 */
static int super_again(struct check *c)
{
	unsigned int n = !c->v.current;
	u8 raw[IC_BLOCK_SIZE];

	if (c->v.copy[n].verdict != IC_SUPER_UNREAD)
		return 0;
	if (dev_read(c->v.side, c->v.side_offset + IC_SUPER_BLOCK(n) *
		     IC_BLOCK_SIZE, raw, sizeof(struct ic_super)))
		return 0;
	return fail(EX_IO, "superblock copy %u can be read by now: run it again",
		    n);
}

static int mend_tree(struct check *c, struct ic_state *next)
{
	int ret = check_mend(c, next);

	if (ret)
		return ret;
	/*
	 * Lost owner records aren't counted: nobody knows whether they were in
	 * use.
	 */
	next->nr_owners = c->records.committed_owners;
	for (size_t i = 0; i < c->nr_bad; i++)
		fixed(c, c->bad[i].err == -EBADMSG ? CHECK_DAMAGE :
						     CHECK_UNREAD, 1);
	fixed(c, CHECK_DAMAGE, c->kinds[CK_RECOVERY]);
	fixed(c, CHECK_UNREAD, c->log.unreadable_leaves);
	return 0;
}

static int end_log(struct check *c)
{
	u64 at = c->v.side_offset + IC_BLOCK_SIZE *
		 ic_log_block_nr(&c->v.geo, c->log.stopped);
	alignas(IC_BLOCK_SIZE) u8 raw[IC_BLOCK_SIZE];
	int ret;

	/* What it holds may be more than its being given up was said to cost. */
	if (!c->kinds[CK_LOG] &&
	    !dev_pread(c->v.side, at, raw, sizeof(raw), sizeof(raw)))
		return fail(EX_IO, "block %llu of the log can be read by now: run it again",
			    (unsigned long long)c->log.stopped);
	ret = check_write_block(c, at, NULL);
	if (!ret)
		ret = dev_flush(c->v.side);
	/* Recovery passes over that one by itself. */
	if (ret && c->log.is_end)
		return 0;
	if (!ret)
		fixed(c, c->kinds[CK_LOG] ? CHECK_DAMAGE : CHECK_UNREAD, 1);
	return ret;
}

/**
 * check_repair() - do what is planned
 * @c: the run, with its plan; its devices open for writing
 *
 * Return: 0 or an exit code.
 */
int check_repair(struct check *c)
{
	const struct ic_super_copy *other = &c->v.copy[!c->v.current];
	bool fields = c->kinds[CK_OWNER_COUNT] + c->kinds[CK_OWNED_FLAG] &&
		      !obstacle(c);
	bool nodes = c->nr_bad && !root_bad(c);
	struct ic_state next = c->v.state;
	int ret = 0;

	if (!nodes && !fields && c->log.stopped == CHECK_NO &&
	    !c->kinds[CK_SUPERBLOCK] && !other->err) {
		c->repair = "nothing that could be repaired";
		return 0;
	}
	if (!confirmed(c)) {
		c->repair = "not wanted: nothing was changed";
		return 0;
	}
	ret = super_again(c);
	if (!ret && nodes)
		ret = mend_tree(c, &next);
	if (!ret && c->log.stopped != CHECK_NO)
		ret = end_log(c);
	if (ret)
		return ret;
	next.epoch++;
	if (fields && c->kinds[CK_OWNER_COUNT]) {
		next.nr_owners = c->records.committed_owners;
		fixed(c, CHECK_NOTE, 1);
	}
	if (fields && c->kinds[CK_OWNED_FLAG]) {
		next.flags |= IC_STATE_OWNED;
		fixed(c, CHECK_DAMAGE, 1);
	}
	ret = write_super(c, &next);
	if (ret)
		return ret;
	fixed(c, CHECK_DAMAGE, c->kinds[CK_SUPERBLOCK]);
	fixed(c, CHECK_UNREAD, other->verdict == IC_SUPER_UNREAD);
	c->repair = "done: superblock written anew";
	return 0;
}
