/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of inocrypt check share.
 *
 * One thread walks the log and the tree and does all that is here; more threads
 * only read and verify data (check_data.c), and hand their verdicts back.
 */
#ifndef IC_CHECK_H
#define IC_CHECK_H

#include "disk/disk.h"
#include "recover.h"

#define CHECK_LISTED	100	/* problems that are listed one by one */
#define CHECK_NO	UINT64_MAX	/* no such number */

/* How bad a kind of finding is. */
enum check_grade {
	CHECK_NOTE,		/* nothing wrong with the volume */
	CHECK_UNREAD,		/* a device could not read something */
	CHECK_DAMAGE,
};

enum check_kind {
	CK_SUPERBLOCK,
	CK_NODE,
	CK_TREE_BOUNDS,
	CK_KEY_RECORD,
	CK_OWNER_RECORD,
	CK_OWNER_KEY,
	CK_OWNER_COUNT,
	CK_OWNED_FLAG,
	CK_SECTOR_RECORD,
	CK_LOG,
	CK_RECOVERY,
	CK_DATA,
	CK_OWNED_DATA,
	CK_UNREADABLE,
	CK_TORN,
	CK_UNSETTLED,
	CK_LOST,
	CK_KINDS
};

/**
 * struct check_place - where something was found
 * @dev: device, NULL if it has no place
 * @offset: bytes
 * @sector: or CHECK_NO
 * @owner: inode number, or CHECK_NO
 */
struct check_place {
	const struct area_dev *dev;
	u64 offset, sector, owner;
};

struct check_problem {
	enum check_kind kind;
	struct check_place place;
	char text[200];
};

/**
 * struct change_node - records that the log changes
 * @first: number of a record in the one array of all leaves
 * @last: likewise; more than @first only if @rec is zero
 * @rec: what they are after recovery
 */
struct change_node {
	u64 first, last;
	union ic_record rec;
};

/**
 * struct changes - all that recovery would do to the tree's records
 * @tree: of struct change_node, disjoint, while they are collected
 * @list: the same in order, once they are
 */
struct changes {
	void *tree;
	struct change_node **list;
	size_t nr, listed;
};

int changes_set(struct changes *ch, u64 first, u64 last,
		const union ic_record *rec);
bool changes_get(struct changes *ch, u64 number, union ic_record *rec);
int changes_sort(struct changes *ch);
size_t changes_from(const struct changes *ch, u64 number);
void changes_drop(struct changes *ch);

/* Sectors whose data is in the log only, and what that is. */
struct redo {
	void *tree;
};

int redo_keep(struct redo *redo, u64 sector, const void *data);
const u8 *redo_find(const struct redo *redo, u64 sector);
void redo_drop(struct redo *redo);

struct check_range {
	u64 first, last;
};

/**
 * struct check_bad - a node that can't be had, below ones that can
 * @leaves: those below it
 * @err: why
 */
struct check_bad {
	u32 level;
	u64 index;
	struct check_range leaves;
	int err;
};

/* A master key that was given, and the slot it has on this volume. */
struct check_master {
	const char *path;
	struct secret secret;
	u32 slot;		/* IC_KEY_SLOTS: none */
};

#define CHECK_CACHED	256	/* tree nodes */
#define CHECK_OWNERS	1024	/* owners' keys */

struct check_node {
	u64 number;		/* plus one; 0: none */
	struct ic_node node;
};

/* An owner's key, as far as it can be had. */
struct check_owner {
	u32 ino, gen;
	enum { OWNER_NONE, OWNER_GONE, OWNER_NOKEY, OWNER_KEYED } state;
	u8 key[IC_KEY_SIZE];
};

struct check_data;

/**
 * struct check - one run
 * @vk: volume key
 * @data_key: of owner 0's sectors
 * @lost: leaves that can't be had, in order
 * @bad: the nodes that are to blame, in order
 * @stretch: records that are lost one after the other, numbered as of one array
 * @slot_used: by key slot
 * @slot_lost: by key slot
 * @owner_used: a bit for each owner record in use after recovery
 * @leaf: where the leaf is that is being looked at, if anywhere
 * @at: place in @changes, for leaves that are not in the tree
 * @kinds: findings of each kind
 */
struct check {
	struct volume v;
	struct secret vk, data_key;
	bool data, json, quiet, yes;

	struct check_master *master;
	size_t masters;

	struct changes changes;
	struct redo redo;
	struct check_place leaf;
	size_t at;
	struct check_node *cache;
	struct check_owner *owners;
	struct check_data *io;

	struct check_range *lost;
	size_t nr_lost;
	struct check_bad *bad;
	size_t nr_bad;
	struct {
		u64 first, next;
		struct check_place place;
	} stretch;
	bool slot_used[IC_KEY_SLOTS], slot_lost[IC_KEY_SLOTS];
	u8 slot_id[IC_KEY_SLOTS][IC_KEY_ID_SIZE];
	u8 *owner_used;

	struct {
		u64 start, end, low, cuts, facts, candidates, kept, unread;
		u64 redone, torn;
		u64 lost;	/* records that can't be changed as it says */
		u64 unreadable_leaves;	/* 1 if some are of leaves that can't be read */
		u64 stopped;	/* number of the block that ends it, CHECK_NO: none */
		bool is_end;	/* that can't be read, and nothing follows */
		const char *state;
	} log;
	struct {
		u64 nodes, leaves, bad, lost_leaves;
	} tree;
	struct {
		u64 keys, owners, committed_owners, erased, keyed, lost;
	} records;
	struct {
		u64 written, owned, orphans, unknown_owner;
		u64 verified, bad, unread, no_key, no_cipher;
	} sectors;
	bool committed_owned;

	u64 kinds[CK_KINDS];
	struct check_problem problem[CHECK_LISTED];
	size_t listed;
	u64 fixed[CHECK_DAMAGE + 1];	/* findings, by their grade */
	struct json_object *plan;	/* what --repair would do, and its cost */
	bool costs;			/* does any of it? */
	const char *repair;
};

/* check_findings.c */
struct check_kind_name {
	const char *name;
	enum check_grade grade;
};

extern const struct check_kind_name check_kinds[CK_KINDS];
extern const char * const check_grades[];

u64 check_graded(const struct check *c, enum check_grade grade);
void check_report(struct check *c, enum check_kind kind,
		  const struct check_place *place, const char *fmt, ...)
	__printf(4, 5);

/* check_tree.c */
int check_tree(struct check *c);
int check_lookup(struct check *c, u64 number, union ic_record *rec);
int check_record(struct check *c, u64 number, union ic_record *rec);
bool check_is_lost(const struct check *c, u64 leaf);
struct check_place check_node_place(const struct check *c, u32 level, u64 index,
				    u32 place);
int check_open_node(struct check *c, const u8 *raw, struct ic_node *node,
		    u32 level, u64 index, u64 word);
struct check_range check_leaves_of(const struct check *c, u32 level, u64 index);
void check_describe(const struct check *c, const struct check_range *r,
		    char *out, size_t size);

/* check_records.c */
void check_leaf(struct check *c, u64 leaf, const union ic_record *committed);
const struct check_owner *check_owner(struct check *c, u32 ino);
void check_totals(struct check *c);
void check_lost_leaves(struct check *c, u64 first, u64 last);
void check_stretch_end(struct check *c);

/* check_log.c */
int check_log(struct check *c);
struct check_place check_sector_place(const struct check *c, u64 sector,
				      u64 owner);

/* check_data.c */
int check_data_start(struct check *c);
void check_data_add(struct check *c, u64 first, u32 nr,
		    const union ic_record *rec);
void check_data_finish(struct check *c);
void check_data_stop(struct check *c);

/* check_mend.c */
int check_write_block(struct check *c, u64 offset, const void *buf);
int check_mend(struct check *c, struct ic_state *next);

/* check_repair.c */
void check_plan(struct check *c);
int check_repair(struct check *c);

/* Number of a record in the one array of all leaves. */
static inline u64 record_number(u64 first_leaf, u64 n)
{
	return first_leaf * IC_LEAF_RECORDS + n;
}

#endif /* IC_CHECK_H */
