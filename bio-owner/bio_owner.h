/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bio-owner: whose data does a bio carry?
 *
 * A file system attaches a tag to each bio of an owned inode; a target below
 * reads it.  In between, device-mapper clones and splits the bio and the tag
 * with it.  The carrier is the bio's integrity payload; nobody but bio_owner.c
 * knows that.
 */
#ifndef BIO_OWNER_H
#define BIO_OWNER_H

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/types.h>

#define BIO_OWNER_KEY_ID_SIZE	16
#define BIO_OWNER_KEY_SIZE	32

/**
 * struct bio_owner_tag - what rides on the bio, once per crypto sector
 * @key_id: names the master key the owner's key derives from
 * @ino: owning inode's number; never 0 in an owner's tag
 * @gen: the inode's generation
 * @cookie: this boot's secret, shows that the kernel attached the tag
 */
struct bio_owner_tag {
	u8	key_id[BIO_OWNER_KEY_ID_SIZE];
	__le32	ino;
	__le32	gen;
	__le64	cookie;
};

/**
 * struct bio_owner_id - an owner, in CPU byte order
 */
struct bio_owner_id {
	u8	key_id[BIO_OWNER_KEY_ID_SIZE];
	u32	ino;
	u32	gen;
};

enum bio_owner_kind {
	BIO_OWNER_NONE,		/* no tag: the volume's own data */
	BIO_OWNER_TAGGED,	/* every sector of the bio belongs to one owner */
	BIO_OWNER_CONTROL,	/* a bind request, see bio_owner_answer_bind() */
	BIO_OWNER_MALFORMED,	/* wrong cookie, mixed or short: refuse the bio */
};

/**
 * struct bio_owner_key - a master key, as a volume's users bring and see it
 * @raw: the key; only for @key_identify and @key_add, wiped by the caller
 * @key_id: its name on this volume, filled in by the volume
 * @slot: number of its record
 * @uid: who brought it first, in the initial user namespace; kept in its record
 * @create: in: give it a record if the volume doesn't know it (else -ENOKEY)
 * @limit: in: how many records @uid may have (else -EDQUOT); 0: no limit
 * @spare: in: a new record must leave so many slots free (else -ENOSPC)
 * @loaded: out: it is in memory; with @key_add: it was in memory before
 */
struct bio_owner_key {
	u8	raw[BIO_OWNER_KEY_SIZE];
	u8	key_id[BIO_OWNER_KEY_ID_SIZE];
	u32	slot;
	u32	uid;
	bool	create;
	u32	limit;
	u32	spare;
	bool	loaded;
};

struct bio_owner_volume;

/**
 * struct bio_owner_volume_ops - what a target offers to a bound file system
 * @key_present: 0 if the key can be used now, else -ENOKEY.  May sleep.
 * @forget: the owner (@ino, @gen) is gone for good; from the return on its
 *	sectors can't be read.  -ENOENT if there is no such owner.  May sleep.
 * @next_owner: find the first owner record with number >= *@ino; fills in
 *	*@ino and *@gen.  -ENOENT at the end; -EBADMSG if records are damaged,
 *	up to *@ino, which is filled in: go on behind it.  May sleep.
 * @key_identify: fills in the name of the key that is @key->raw; waits for nobody.
 * @key_add: a user of the mount brings a master key, see
 *	&struct bio_owner_key.  May sleep.
 * @key_remove: wipe a master key and all that derives from it; requests under
 *	way with it are through on return.  -ENOKEY if it isn't loaded.  May
 *	sleep.
 * @key_next: the first key that the volume knows in slot >= @key->slot; fills
 *	in all but @key->raw.  -ENOENT at the end.  May sleep, but waits neither
 *	for I/O nor for @key_add or @key_remove.
 * @key_delete: the volume knows this key no more.  -ENOKEY if it never did,
 *	-EBUSY while it is loaded or an owner refers to it.  May sleep for as
 *	long as it takes to read all owner records.
 * @erase_sync: returns once no place of the device holds the salt of an owner
 *	forgotten before the call in a form that any key opens.  May sleep.
 * @unbind: the file system goes away.  May sleep.
 * @release: last reference dropped.
 */
struct bio_owner_volume_ops {
	struct module *owner;
	int (*key_present)(struct bio_owner_volume *vol,
			   const u8 key_id[BIO_OWNER_KEY_ID_SIZE]);
	int (*forget)(struct bio_owner_volume *vol, u32 ino, u32 gen);
	int (*next_owner)(struct bio_owner_volume *vol, u32 *ino, u32 *gen);
	int (*key_identify)(struct bio_owner_volume *vol,
			    struct bio_owner_key *key);
	int (*key_add)(struct bio_owner_volume *vol, struct bio_owner_key *key);
	int (*key_remove)(struct bio_owner_volume *vol,
			  const u8 key_id[BIO_OWNER_KEY_ID_SIZE]);
	int (*key_next)(struct bio_owner_volume *vol,
			struct bio_owner_key *key);
	int (*key_delete)(struct bio_owner_volume *vol,
			  const u8 key_id[BIO_OWNER_KEY_ID_SIZE]);
	int (*erase_sync)(struct bio_owner_volume *vol);
	void (*unbind)(struct bio_owner_volume *vol);
	void (*release)(struct bio_owner_volume *vol);
};

/**
 * struct bio_owner_volume - embedded in the target's own object
 * @ops: set once, before the first answer to a bind
 * @ref: the file system holds one while bound
 * @sector_size: crypto sector size in bytes; owned I/O is aligned to it
 * @max_ino: largest inode number that can own sectors
 */
struct bio_owner_volume {
	const struct bio_owner_volume_ops *ops;
	struct kref	ref;
	unsigned int	sector_size;
	u32		max_ino;
};

/* File system side */
int bio_owner_attach(struct bio *bio, const struct bio_owner_id *id, gfp_t gfp);
void bio_owner_submit(struct bio *bio, const struct bio_owner_id *id);
struct bio_owner_volume *bio_owner_bind(struct block_device *bdev);
void bio_owner_unbind(struct bio_owner_volume *vol);
int bio_owner_key_present(struct bio_owner_volume *vol,
			  const u8 key_id[BIO_OWNER_KEY_ID_SIZE]);
int bio_owner_forget(struct bio_owner_volume *vol, u32 ino, u32 gen);
int bio_owner_next(struct bio_owner_volume *vol, u32 *ino, u32 *gen);
int bio_owner_key_identify(struct bio_owner_volume *vol,
			   struct bio_owner_key *key);
int bio_owner_key_add(struct bio_owner_volume *vol, struct bio_owner_key *key);
int bio_owner_key_remove(struct bio_owner_volume *vol,
			 const u8 key_id[BIO_OWNER_KEY_ID_SIZE]);
int bio_owner_key_next(struct bio_owner_volume *vol, struct bio_owner_key *key);
int bio_owner_key_delete(struct bio_owner_volume *vol,
			 const u8 key_id[BIO_OWNER_KEY_ID_SIZE]);
int bio_owner_erase_sync(struct bio_owner_volume *vol);

/* Target side */
struct queue_limits;
int bio_owner_register_profile(struct gendisk *disk, unsigned int sector_size);
void bio_owner_set_limits(struct queue_limits *limits,
			  unsigned int sector_size);
enum bio_owner_kind bio_owner_read(struct bio *bio, struct bio_owner_id *id);
void *bio_owner_stash(struct bio *bio);
void bio_owner_restore(struct bio *bio, void *stash);
int bio_owner_answer_bind(struct bio *bio, struct bio_owner_volume *vol,
			  int error);
void bio_owner_volume_init(struct bio_owner_volume *vol,
			   const struct bio_owner_volume_ops *ops);
void bio_owner_volume_put(struct bio_owner_volume *vol);

#endif /* BIO_OWNER_H */
