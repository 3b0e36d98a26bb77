/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Owners, whose data is under keys of their own, and users' master keys.
 */
#ifndef IC_OWNERS_H
#define IC_OWNERS_H

#include "core/table.h"

/**
 * struct ic_owner - an owner whose key is at hand
 * @lru: in the cache's list, while it is in the cache
 * @all: in the list of all, until its key is wiped
 * @dead: it left the cache: its key must not stay in transforms
 */
struct ic_owner {
	struct hlist_node	hash;	/* guarded by ic->owner_lock */
	struct list_head	lru;	/* guarded by ic->owner_lock */
	struct list_head	all;	/* guarded by ic->owner_lock */
	refcount_t		ref;
	bool			dead;	/* changed under ic->owner_lock */
	struct inocrypt		*ic;
	u32			ino;
	u32			gen;
	u8			key_id[IC_KEY_ID_SIZE];
	struct ic_data_key	key;
};

/* A master key's record in memory. If @key_id is all zero the slot has no key. */
struct ic_key_slot {
	u8	key_id[IC_KEY_ID_SIZE];
	u32	uid;
	bool	going;		/* the key is being deleted, and can't be added */
	bool	lost;		/* the record is lost, so nobody knows if it has a key */
};

/* A master key in memory. */
struct ic_master {
	struct list_head	list;
	u8			key_id[IC_KEY_ID_SIZE];
	u8			mk[IC_KEY_SIZE];
};

/* master_keys.c */
bool ic_master_add(struct ic_volume *vol, struct ic_master *master);
int ic_master_remove(struct ic_volume *vol, const u8 key_id[IC_KEY_ID_SIZE]);
int ic_master_copy(struct ic_volume *vol, const u8 key_id[IC_KEY_ID_SIZE],
		   u8 mk[IC_KEY_SIZE]);
bool ic_master_is_there(struct ic_volume *vol, const u8 key_id[IC_KEY_ID_SIZE]);
void ic_masters_wipe(struct ic_volume *vol);

/* owner.c */
int ic_owners_init(struct inocrypt *ic);
void ic_owners_exit(struct inocrypt *ic);
struct ic_owner *ic_owner_try(struct inocrypt *ic,
			      const struct bio_owner_id *id);
struct ic_owner *ic_owner_get(struct inocrypt *ic,
			      const struct bio_owner_id *id, bool create);
struct ic_owner *ic_owner_get_raw(struct inocrypt *ic, u32 ino);
void ic_owner_put(struct ic_owner *owner);
int ic_change_record(struct inocrypt *ic, enum ic_log_type type, u64 nr,
		     union ic_record *rec);
int ic_owner_forget(struct inocrypt *ic, u32 ino, u32 gen);
int ic_owner_next(struct inocrypt *ic, u32 *ino, u32 *gen);
int ic_owners_see(struct inocrypt *ic);
int ic_owner_slot_unused(struct inocrypt *ic, u32 slot, u64 *nr);
void ic_owner_lock_key(struct inocrypt *ic, const u8 key_id[IC_KEY_ID_SIZE]);

/* keys.c */
int ic_keys_load(struct inocrypt *ic);
int ic_slot_find(struct inocrypt *ic, const u8 key_id[IC_KEY_ID_SIZE]);
int ic_key_add(struct inocrypt *ic, struct bio_owner_key *key);
int ic_key_remove(struct inocrypt *ic, const u8 key_id[IC_KEY_ID_SIZE]);
int ic_key_next(struct inocrypt *ic, struct bio_owner_key *key);
int ic_key_delete(struct ic_volume *vol, struct inocrypt *ic,
		  const u8 key_id[IC_KEY_ID_SIZE]);

#endif /* IC_OWNERS_H */
