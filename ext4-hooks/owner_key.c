// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owners: master keys that the users of a mount bring, lock and list.
 *
 * Whoever knows a key may load it, as with fscrypt: a key opens nothing that
 * file permissions don't allow.  Each user who brings it has a claim on it; when
 * the last claim is dropped the key is locked, see owner_lock.c.
 */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/hashtable.h>
#include <linux/jhash.h>
#include <linux/list.h>
#include <linux/mount.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>
#include <linux/workqueue.h>

#include "ext4.h"
#include "../compat/fs.h"

static_assert(EXT4_OWNER_KEY_SIZE == BIO_OWNER_KEY_SIZE);

/**
 * struct payer - a person whose claims are counted, whatever uids they were made under
 * @node: in ext4_owner_keys.payers
 * @uid: who, see payer_uid()
 * @nr: number of claims; the payer is freed with the last one
 */
struct payer {
	struct hlist_node	node;
	kuid_t			uid;
	u32			nr;
};

/**
 * struct key_claim - a user's use of a key
 * @node: in ext4_owner_keys.claims
 * @list: in ext4_owner_mkey.claims
 * @mkey: the key, with a reference
 * @uid: who, see claimant()
 * @payer: to whom it is counted
 * @elsewhere: of user 0's claim: a message had loaded the key before anybody brought it
 */
struct key_claim {
	struct hlist_node	node;
	struct list_head	list;
	struct ext4_owner_mkey	*mkey;
	kuid_t			uid;
	struct payer		*payer;
	bool			elsewhere;
};

static bool same_key(const u8 *a, const u8 *b)
{
	return !memcmp(a, b, BIO_OWNER_KEY_ID_SIZE);
}

/*
 * Return in whose name the caller uses keys. Root's keys are for those who may
 * administer the host: uid 0 in a container, or without capabilities, is
 * somebody else.
 */
static kuid_t claimant(void)
{
	kuid_t uid = current_fsuid();

	if (uid_eq(uid, GLOBAL_ROOT_UID) &&
	    !ns_capable_noaudit(&init_user_ns, CAP_SYS_ADMIN))
		return INVALID_UID;
	return uid;
}

/*
 * Return to whom the caller's claims are counted: he may be in a namespace with
 * many numbers.
 */
static kuid_t payer_uid(void)
{
	const struct user_namespace *ns = current_user_ns();

	if (ns == &init_user_ns)
		return claimant();
	while (ns->parent != &init_user_ns)
		ns = ns->parent;
	return ns->owner;
}

/*
 * Keys that are in use on the mount
 */

static u32 key_hash(const u8 *key_id)
{
	/* A key id is a digest, so any of its bytes will do as a hash. */
	return get_unaligned((const u32 *)key_id);
}

static struct ext4_owner_mkey *find_mkey(struct ext4_owner_keys *keys,
					 const u8 *key_id)
{
	struct ext4_owner_mkey *mkey;

	lockdep_assert_held(&keys->lock);
	hash_for_each_possible(keys->keys, mkey, node, key_hash(key_id))
		if (same_key(mkey->key_id, key_id))
			return mkey;
	return NULL;
}

/* Return the key, with a reference, if it is in use on the mount; or NULL. */
static struct ext4_owner_mkey *lookup_mkey(struct ext4_owner_keys *keys,
					   const u8 *key_id)
{
	struct ext4_owner_mkey *mkey;

	spin_lock(&keys->lock);
	mkey = find_mkey(keys, key_id);
	if (mkey)
		refcount_inc(&mkey->ref);
	spin_unlock(&keys->lock);
	return mkey;
}

/**
 * ext4_owner_mkey_get - note that a key is in use
 * @keys: of the mount
 * @key_id: names the key
 *
 * Context: may sleep; a handle may be held.
 * Return: the key, with a reference; NULL without memory.
 */
struct ext4_owner_mkey *ext4_owner_mkey_get(struct ext4_owner_keys *keys,
					    const u8 *key_id)
{
	struct ext4_owner_mkey *mkey = lookup_mkey(keys, key_id), *new;

	if (mkey)
		return mkey;
	new = kzalloc(sizeof(*new), GFP_NOFS);
	if (!new)
		return NULL;
	memcpy(new->key_id, key_id, sizeof(new->key_id));
	refcount_set(&new->ref, 1);
	INIT_LIST_HEAD(&new->claims);
	sema_init(&new->turn, 1);
	spin_lock_init(&new->inodes_lock);
	INIT_LIST_HEAD(&new->inodes);

	spin_lock(&keys->lock);
	mkey = find_mkey(keys, key_id);
	if (mkey)
		refcount_inc(&mkey->ref);
	else
		hash_add(keys->keys, &new->node, key_hash(key_id));
	spin_unlock(&keys->lock);
	if (!mkey)
		return new;
	kfree(new);
	return mkey;
}

/**
 * ext4_owner_mkey_put - drop a reference
 * @keys: of the mount
 * @mkey: from ext4_owner_mkey_get()
 */
void ext4_owner_mkey_put(struct ext4_owner_keys *keys,
			 struct ext4_owner_mkey *mkey)
{
	bool last;

	/*
	 * The last reference is dropped under the lock, so that nobody finds a
	 * key that is about to go.
	 */
	spin_lock(&keys->lock);
	last = refcount_dec_and_test(&mkey->ref);
	if (last)
		hash_del(&mkey->node);
	spin_unlock(&keys->lock);
	if (last)
		kfree(mkey);
}

/*
 * Claims
 */

static u32 claim_hash(struct ext4_owner_keys *keys,
		      const struct ext4_owner_mkey *mkey, kuid_t uid)
{
	return jhash_3words(key_hash(mkey->key_id), __kuid_val(uid), 0,
			    keys->seed);
}

static struct key_claim *find_claim(struct ext4_owner_keys *keys,
				    const struct ext4_owner_mkey *mkey,
				    kuid_t uid)
{
	struct key_claim *claim;

	lockdep_assert_held(&keys->lock);
	hash_for_each_possible(keys->claims, claim, node,
			       claim_hash(keys, mkey, uid))
		if (claim->mkey == mkey && uid_eq(claim->uid, uid))
			return claim;
	return NULL;
}

static struct payer *find_payer(struct ext4_owner_keys *keys, kuid_t uid)
{
	struct payer *payer;

	lockdep_assert_held(&keys->lock);
	hash_for_each_possible(keys->payers, payer, node, __kuid_val(uid))
		if (uid_eq(payer->uid, uid))
			return payer;
	return NULL;
}

/* Allocate a claim that nobody holds yet. */
static struct key_claim *alloc_claim(void)
{
	struct key_claim *claim = kzalloc(sizeof(*claim), GFP_KERNEL_ACCOUNT);

	if (!claim)
		return NULL;
	claim->payer = kzalloc(sizeof(*claim->payer), GFP_KERNEL_ACCOUNT);
	if (claim->payer)
		return claim;
	kfree(claim);
	return NULL;
}

static void free_claim(struct key_claim *claim)
{
	if (claim)
		kfree(claim->payer);
	kfree(claim);
}

/*
 * Count one more claim for a payer, who may have @limit of them; 0 means no
 * limit. Return: 0 or -EDQUOT.
 */
static int add_claim(struct ext4_owner_keys *keys, struct key_claim *claim,
		     struct ext4_owner_mkey *mkey, kuid_t uid, kuid_t payer_uid,
		     u32 limit)
{
	struct payer *payer;

	lockdep_assert_held(&keys->lock);
	payer = find_payer(keys, payer_uid);
	if (limit && payer && payer->nr >= limit)
		return -EDQUOT;
	if (payer) {
		kfree(claim->payer);
		claim->payer = payer;
	} else {
		claim->payer->uid = payer_uid;
		hash_add(keys->payers, &claim->payer->node,
			 __kuid_val(payer_uid));
	}
	claim->payer->nr++;
	claim->uid = uid;
	claim->mkey = mkey;
	refcount_inc(&mkey->ref);
	mkey->nr_claims++;
	list_add_tail(&claim->list, &mkey->claims);
	hash_add(keys->claims, &claim->node, claim_hash(keys, mkey, uid));
	return 0;
}

/*
 * The caller has a reference of his own to the key, so this one isn't the last.
 */
static void drop_claim(struct ext4_owner_keys *keys, struct key_claim *claim)
{
	lockdep_assert_held(&keys->lock);
	hash_del(&claim->node);
	list_del(&claim->list);
	claim->mkey->nr_claims--;
	refcount_dec(&claim->mkey->ref);
	if (!--claim->payer->nr) {
		hash_del(&claim->payer->node);
		kfree(claim->payer);
	}
	kfree(claim);
}

static void drop_claims(struct ext4_owner_keys *keys,
			struct ext4_owner_mkey *mkey)
{
	struct key_claim *claim, *n;

	lockdep_assert_held(&keys->lock);
	list_for_each_entry_safe(claim, n, &mkey->claims, list)
		drop_claim(keys, claim);
}

/**
 * ext4_owner_keys_init - nobody has brought a key yet
 * @keys: of a new mount
 * @name: of its device
 *
 * Return: 0 or -ENOMEM.
 */
int ext4_owner_keys_init(struct ext4_owner_keys *keys, const char *name)
{
	spin_lock_init(&keys->lock);
	hash_init(keys->keys);
	hash_init(keys->claims);
	hash_init(keys->payers);
	keys->seed = get_random_u32();
	/*
	 * So many locks may run at once that dozens of users would have to act
	 * together to make somebody wait.
	 */
	keys->wq = alloc_workqueue("ext4-lock/%s", WQ_UNBOUND,
				   WQ_UNBOUND_MAX_ACTIVE, name);
	return keys->wq ? 0 : -ENOMEM;
}

/* A key that a worker takes away, as nobody can kill a worker meanwhile. */
struct key_leaving {
	struct work_struct	work;
	struct bio_owner_volume	*vol;
	const u8		*key_id;
};

static void key_leave(struct work_struct *work)
{
	struct key_leaving *leaving = container_of(work, struct key_leaving,
						   work);

	bio_owner_key_remove(leaving->vol, leaving->key_id);
}

/**
 * ext4_owner_keys_exit - a mount goes away, and with it what was brought to it
 * @keys: of the mount; nobody uses it any more
 * @vol: the volume it is bound to
 */
void ext4_owner_keys_exit(struct ext4_owner_keys *keys,
			  struct bio_owner_volume *vol)
{
	struct ext4_owner_mkey *mkey;
	struct hlist_node *n;
	int i;

	/*
	 * A lock whose caller was killed may have been the last user of the
	 * mount: see it end.
	 */
	destroy_workqueue(keys->wq);
	hash_for_each_safe(keys->keys, i, n, mkey, node) {
		struct key_claim *roots;
		bool stays;

		refcount_inc(&mkey->ref);
		spin_lock(&keys->lock);
		roots = find_claim(keys, mkey, GLOBAL_ROOT_UID);
		stays = !mkey->nr_claims || (roots && roots->elsewhere);
		drop_claims(keys, mkey);
		spin_unlock(&keys->lock);
		if (!stays) {
			struct key_leaving leaving = {
				.vol = vol, .key_id = mkey->key_id,
			};

			/*
			 * The task that unmounts may be killed; the key is
			 * taken away all the same.
			 */
			INIT_WORK_ONSTACK(&leaving.work, key_leave);
			queue_work(system_unbound_wq, &leaving.work);
			flush_work(&leaving.work);
			destroy_work_on_stack(&leaving.work);
		}
		/* All its files have been evicted. */
		WARN_ON_ONCE(!list_empty(&mkey->inodes));
		ext4_owner_mkey_put(keys, mkey);
	}
}

/**
 * ext4_owner_key_locking - is this key being locked right now?
 * @keys: of the mount
 * @key_id: names the key
 *
 * Context: any that may take a spinlock.
 */
bool ext4_owner_key_locking(struct ext4_owner_keys *keys, const u8 *key_id)
{
	struct ext4_owner_mkey *mkey;
	bool locking;

	spin_lock(&keys->lock);
	mkey = find_mkey(keys, key_id);
	locking = mkey && READ_ONCE(mkey->locking);
	spin_unlock(&keys->lock);
	return locking;
}

static bool claimed(struct ext4_owner_keys *keys, const u8 *key_id, kuid_t uid)
{
	struct ext4_owner_mkey *mkey;

	lockdep_assert_held(&keys->lock);
	mkey = find_mkey(keys, key_id);
	return mkey && find_claim(keys, mkey, uid);
}

/**
 * ext4_owner_key_claimed - has the caller brought this key?
 * @keys: of the mount
 * @key_id: names the key
 *
 * Context: any that may take a spinlock.
 */
bool ext4_owner_key_claimed(struct ext4_owner_keys *keys, const u8 *key_id)
{
	kuid_t uid = claimant();
	bool is;

	spin_lock(&keys->lock);
	is = claimed(keys, key_id, uid);
	spin_unlock(&keys->lock);
	return is;
}

/*
 * ioctls
 */

/**
 * struct key_new - claims that may be needed when a key is brought
 * @callers: the caller's; NULL when it is used
 * @roots: user 0's; NULL when it is used
 * @made: the caller had none before
 */
struct key_new {
	struct key_claim	*callers;
	struct key_claim	*roots;
	bool			made;
};

/*
 * Reserve the caller's claim before the key is loaded: there may be no room for
 * one.
 */
static int claim_key(struct ext4_owner_keys *keys, struct ext4_owner_mkey *mkey,
		     struct key_new *new)
{
	u32 limit = capable(CAP_SYS_ADMIN) ? 0 : EXT4_OWNER_CLAIMS_PER_USER;
	kuid_t uid = claimant(), payer = payer_uid();
	int err = 0;

	spin_lock(&keys->lock);
	if (!find_claim(keys, mkey, uid)) {
		err = add_claim(keys, new->callers, mkey, uid, payer, limit);
		if (!err) {
			new->callers = NULL;
			new->made = true;
		}
	}
	spin_unlock(&keys->lock);
	return err;
}

/*
 * Decide what becomes of the claim, now that the key is loaded, or, after @err,
 * isn't.
 */
static void settle_claims(struct ext4_owner_keys *keys,
			  struct ext4_owner_mkey *mkey, struct key_new *new,
			  bool was_loaded, int err)
{
	kuid_t uid = claimant();
	struct key_claim *roots;

	spin_lock(&keys->lock);
	roots = find_claim(keys, mkey, GLOBAL_ROOT_UID);
	if (err && new->made) {
		drop_claim(keys, find_claim(keys, mkey, uid));
	} else if (!err && !was_loaded && roots) {
		/*
		 * A message has taken the key away since, and it is brought
		 * back here.
		 */
		roots->elsewhere = false;
	} else if (!err && was_loaded && new->made && mkey->nr_claims == 1) {
		/*
		 * A message had loaded the key, so the administrator uses it. He
		 * gets a claim, so that it isn't locked while he does.
		 */
		if (!roots && !add_claim(keys, new->roots, mkey,
					 GLOBAL_ROOT_UID, GLOBAL_ROOT_UID, 0)) {
			roots = new->roots;
			new->roots = NULL;
		}
		roots->elsewhere = true;
	}
	spin_unlock(&keys->lock);
}

/* Load a key and note who uses it; the caller holds the key's turn. */
static int bring_key(struct file *filp, struct ext4_owner_mkey *mkey,
		     struct bio_owner_key *key, struct key_new *new)
{
	struct super_block *sb = file_inode(filp)->i_sb;
	struct ext4_owner_keys *keys = ext4_owner_keys(sb);
	int err;

	/*
	 * Write access is taken after the turn: else whoever freezes the file
	 * system would have to wait for the turn, too.
	 */
	if (key->create) {
		err = mnt_want_write_file(filp);
		if (err)
			return err;
	}
	err = claim_key(keys, mkey, new);
	if (!err) {
		err = bio_owner_key_add(ext4_owner_volume(sb), key);
		settle_claims(keys, mkey, new, key->loaded, err);
	}
	if (!err)
		WRITE_ONCE(mkey->locked, false);
	if (key->create)
		mnt_drop_write_file(filp);
	return err;
}

/*
 * May the caller make a key known to the volume?  Subordinate uids would multiply
 * what one person may make, and what user 0 makes is root's.
 */
static bool may_create(void)
{
	return current_user_ns() == &init_user_ns &&
	       !uid_eq(claimant(), INVALID_UID);
}

/**
 * ext4_owner_ioc_key_add - EXT4_IOC_OWNER_KEY_ADD
 * @filp: any file of the mount
 * @arg: &struct ext4_owner_key_add
 *
 * Safe for any user: it gives nobody a right to a file, takes only so much memory
 * for each person, only so many records per user, and nobody waits for it but who
 * brings or locks the same key.
 *
 * Return: 0 or a negative errno, see ext4_owner.h.
 */
int ext4_owner_ioc_key_add(struct file *filp, void __user *arg)
{
	struct super_block *sb = file_inode(filp)->i_sb;
	struct bio_owner_volume *vol = ext4_owner_volume(sb);
	struct ext4_owner_key_add __user *uarg = arg;
	struct ext4_owner_mkey *mkey = NULL;
	struct ext4_owner_key_add add;
	struct bio_owner_key key = { };
	struct key_new new = { };
	int err;

	if (!vol)
		return ext4_owner_none(sb);
	err = -EFAULT;
	if (copy_from_user(&add, arg, sizeof(add)))
		goto out;
	err = -EINVAL;
	if (add.flags & ~EXT4_OWNER_KEY_CREATE || add.reserved)
		goto out;
	key.create = add.flags & EXT4_OWNER_KEY_CREATE;
	err = -EPERM;
	if (key.create && !may_create())
		goto out;
	memcpy(key.raw, add.raw, sizeof(key.raw));
	key.uid = from_kuid(&init_user_ns, current_fsuid());
	if (!capable(CAP_SYS_ADMIN)) {
		key.limit = EXT4_OWNER_KEYS_PER_USER;
		key.spare = EXT4_OWNER_KEYS_SPARE;
	}
	err = bio_owner_key_identify(vol, &key);
	if (err)
		goto out;

	err = -ENOMEM;
	new.callers = alloc_claim();
	new.roots = alloc_claim();
	mkey = ext4_owner_mkey_get(ext4_owner_keys(sb), key.key_id);
	if (!new.callers || !new.roots || !mkey)
		goto out;
	err = down_killable(&mkey->turn);
	if (err)
		goto out;
	err = bring_key(filp, mkey, &key, &new);
	up(&mkey->turn);
	if (!err && copy_to_user(uarg->key_id, key.key_id, sizeof(key.key_id)))
		err = -EFAULT;
out:
	if (mkey)
		ext4_owner_mkey_put(ext4_owner_keys(sb), mkey);
	free_claim(new.callers);
	free_claim(new.roots);
	memzero_explicit(&add, sizeof(add));
	memzero_explicit(&key, sizeof(key));
	return err;
}

/*
 * Drop the caller's claim, or all claims. Return: how many are left; or
 * -ENOKEY; or -EBUSY, and then nothing has changed.
 */
static int end_claims(struct ext4_owner_keys *keys,
		      struct ext4_owner_mkey *mkey, u32 flags)
{
	kuid_t uid = claimant();
	struct key_claim *claim;
	int left = 0;

	spin_lock(&keys->lock);
	claim = find_claim(keys, mkey, uid);
	if (flags & EXT4_OWNER_LOCK_ALL_USERS)
		drop_claims(keys, mkey);
	else if (!claim)
		left = -ENOKEY;
	else if (flags & EXT4_OWNER_LOCK_IF_LAST && mkey->nr_claims > 1)
		left = -EBUSY;
	else
		drop_claim(keys, claim);
	if (!left)
		left = mkey->nr_claims;
	spin_unlock(&keys->lock);
	return left;
}

static int lock_mkey(struct file *filp, struct ext4_owner_mkey *mkey,
		     struct ext4_owner_key_lock *lock)
{
	struct ext4_owner_keys *keys = ext4_owner_keys(file_inode(filp)->i_sb);
	struct key_lock *kl = ext4_owner_lock_new(filp, mkey);
	int err;

	if (!kl)
		return -ENOMEM;
	err = down_killable(&mkey->turn);
	if (err) {
		kfree(kl);
		return err;
	}
	err = end_claims(keys, mkey, lock->flags);
	if (!err)
		return ext4_owner_lock_run(kl, lock);
	up(&mkey->turn);
	kfree(kl);
	if (err < 0)
		return err;
	lock->status = EXT4_OWNER_LOCK_OTHER_USERS;
	return 0;
}

/**
 * ext4_owner_ioc_key_lock - EXT4_IOC_OWNER_KEY_LOCK
 * @filp: any file of the mount
 * @arg: &struct ext4_owner_key_lock
 *
 * Return: 0 or a negative errno, see ext4_owner.h.
 */
int ext4_owner_ioc_key_lock(struct file *filp, void __user *arg)
{
	struct super_block *sb = file_inode(filp)->i_sb;
	struct ext4_owner_key_lock lock;
	struct ext4_owner_mkey *mkey;
	struct ext4_owner_keys *keys;
	bool all;
	int err;

	if (!ext4_owner_volume(sb))
		return ext4_owner_none(sb);
	keys = ext4_owner_keys(sb);
	if (copy_from_user(&lock, arg, sizeof(lock)))
		return -EFAULT;
	all = lock.flags == EXT4_OWNER_LOCK_ALL_USERS;
	if ((lock.flags && !all && lock.flags != EXT4_OWNER_LOCK_IF_LAST) ||
	    lock.reserved)
		return -EINVAL;
	if (all && !capable(CAP_SYS_ADMIN))
		return -EACCES;
	lock.status = 0;
	lock.busy = 0;

	/*
	 * Without claims and files the key may still be loaded: by a message.
	 */
	mkey = all ? ext4_owner_mkey_get(keys, lock.key_id) :
		     lookup_mkey(keys, lock.key_id);
	if (!mkey)
		return all ? -ENOMEM : -ENOKEY;
	err = lock_mkey(filp, mkey, &lock);
	ext4_owner_mkey_put(keys, mkey);
	if (!err && copy_to_user(arg, &lock, sizeof(lock)))
		err = -EFAULT;
	return err;
}

/* Fill in flags and users as far as the caller may see them. */
static void tell_use(struct ext4_owner_keys *keys,
		     const struct bio_owner_key *key,
		     struct ext4_owner_key_info *info)
{
	bool all = ns_capable_noaudit(&init_user_ns, CAP_SYS_ADMIN);
	struct ext4_owner_mkey *mkey;
	kuid_t uid = claimant();
	bool mine;

	spin_lock(&keys->lock);
	mine = claimed(keys, key->key_id, uid);
	mkey = find_mkey(keys, key->key_id);
	info->users = all && mkey ? mkey->nr_claims : mine;
	spin_unlock(&keys->lock);
	if (mine)
		info->flags |= EXT4_OWNER_KEY_MINE;
	if (key->loaded && (mine || all))
		info->flags |= EXT4_OWNER_KEY_LOADED;
	if (!all)
		info->flags |= EXT4_OWNER_KEY_OTHERS_HIDDEN;
}

/**
 * ext4_owner_ioc_key_next - EXT4_IOC_OWNER_KEY_NEXT
 * @filp: any file of the mount
 * @arg: &struct ext4_owner_key_info
 *
 * Waits for nobody who brings or locks a key.
 *
 * Return: 0 or a negative errno, see ext4_owner.h.
 */
int ext4_owner_ioc_key_next(struct file *filp, void __user *arg)
{
	struct super_block *sb = file_inode(filp)->i_sb;
	struct bio_owner_volume *vol = ext4_owner_volume(sb);
	struct ext4_owner_key_info info;
	struct bio_owner_key key = { };
	int err;

	if (!vol)
		return ext4_owner_none(sb);
	if (copy_from_user(&info, arg, sizeof(info)))
		return -EFAULT;
	key.slot = info.slot;
	err = bio_owner_key_next(vol, &key);
	if (err)
		return err;
	memset(&info, 0, sizeof(info));
	info.slot = key.slot;
	info.uid = from_kuid_munged(current_user_ns(),
				    make_kuid(&init_user_ns, key.uid));
	memcpy(info.key_id, key.key_id, sizeof(info.key_id));
	tell_use(ext4_owner_keys(sb), &key, &info);
	return copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
}

/* May the caller have the volume forget this key? */
static int may_delete(struct bio_owner_volume *vol, const u8 *key_id)
{
	kuid_t uid = claimant();
	struct bio_owner_key key = { };
	int err;

	while (!(err = bio_owner_key_next(vol, &key))) {
		if (same_key(key.key_id, key_id))
			return uid_eq(make_kuid(&init_user_ns, key.uid), uid) ||
				capable(CAP_SYS_ADMIN) ? 0 : -EACCES;
		key.slot++;
	}
	return err == -ENOENT ? -ENOKEY : err;
}

/**
 * ext4_owner_ioc_key_delete - EXT4_IOC_OWNER_KEY_DELETE
 * @filp: any file of the mount
 * @arg: &struct ext4_owner_key_id
 *
 * Return: 0 or a negative errno, see ext4_owner.h.
 */
int ext4_owner_ioc_key_delete(struct file *filp, const void __user *arg)
{
	struct super_block *sb = file_inode(filp)->i_sb;
	struct bio_owner_volume *vol = ext4_owner_volume(sb);
	struct ext4_owner_key_id id;
	int err;

	if (!vol)
		return ext4_owner_none(sb);
	if (copy_from_user(&id, arg, sizeof(id)))
		return -EFAULT;
	err = mnt_want_write_file(filp);
	if (err)
		return err;
	err = may_delete(vol, id.key_id);
	/* Files deleted just now have owners until their deletion commits. */
	if (!err)
		err = ext4_owner_sync(sb);
	if (!err)
		err = bio_owner_key_delete(vol, id.key_id);
	mnt_drop_write_file(filp);
	return err;
}
