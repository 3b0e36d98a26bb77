// SPDX-License-Identifier: GPL-2.0-only
/*
 * Search a disk for the salts of owners that were erased: all that the volume
 * key, and every log salt that can be had with it, open, whether the tree or the
 * log still refers to it or not.
 */
#include <openssl/evp.h>

#include "sim.h"

#define MAX_SALTS 64

struct search {
	const struct image	*img;
	const struct conf	*conf;
	const struct model	*m;
	u8			salt[MAX_SALTS][IC_SALT_SIZE];
	u32			nr_salts;
	bool			closed;
	u32			inst;
};

static bool holds(struct search *s, const void *buf, size_t len)
{
	u32 i;

	for (i = 1; i < s->m->nr_inst; i++) {
		if (!s->m->inst[i].erased &&
		    !(s->closed && s->m->inst[i].must_erase))
			continue;
		if (!memmem(buf, len, s->m->inst[i].salt, IC_SALT_SIZE))
			continue;
		s->inst = i;
		return true;
	}
	return false;
}

static void add_salt(struct search *s, const u8 *salt)
{
	u32 i;

	for (i = 0; i < s->nr_salts; i++)
		if (!memcmp(s->salt[i], salt, IC_SALT_SIZE))
			return;
	if (s->nr_salts < MAX_SALTS)
		memcpy(s->salt[s->nr_salts++], salt, IC_SALT_SIZE);
}

static void super_salts(struct search *s)
{
	struct ic_state state;
	struct ic_super sb;
	const char *why;
	u32 copy;

	for (copy = 0; copy < 2; copy++) {
		memcpy(&sb, s->img->side[IC_SUPER_BLOCK(copy)]->d, sizeof(sb));
		if (!ic_super_open(&sb, keys.super, &state, &why))
			add_salt(s, state.log_salt);
	}
}

static bool in_nodes(struct search *s, u64 *block)
{
	const struct ic_geometry *geo = &s->conf->geo;
	struct ic_node node;
	u64 leaf;
	u32 place;

	for (leaf = geo->owner_leaf; leaf < geo->sector_leaf; leaf++) {
		for (place = 0; place < 2; place++) {
			*block = ic_node_block(geo, 0, leaf, place);
			if (!s->img->side[*block])
				continue;
			memcpy(&node, s->img->side[*block]->d, sizeof(node));
			if (!ic_node_open(&node, keys.node, keys.uuid, 0,
					  leaf) &&
			    holds(s, &node, sizeof(node)))
				return true;
		}
	}
	return false;
}

/* Decrypt whatever the tag says. */
static void decrypt(const u8 *key, struct ic_log_block *block)
{
	u32 len = IC_BLOCK_SIZE - offsetof(struct ic_log_block, low);
	u8 *sealed = (u8 *)block + IC_BLOCK_SIZE - len;
	u8 iv[16] = { 0 };
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n;

	memcpy(iv, block->nonce, IC_NONCE_SIZE);
	iv[15] = 2;
	if (!EVP_DecryptInit_ex(ctx, EVP_aes_256_ctr(), NULL, key, iv) ||
	    !EVP_DecryptUpdate(ctx, sealed, &n, sealed, len))
		abort();
	EVP_CIPHER_CTX_free(ctx);
}

static bool in_log(struct search *s, u64 *block)
{
	struct ic_log_block b;
	u8 key[IC_KEY_SIZE];
	u32 salt, i;

	for (salt = 0; salt < s->nr_salts; salt++) {
		if (ic_derive_log_key(keys.log_master, s->salt[salt], key))
			abort();
		for (i = 0; i < s->conf->geo.log_blocks; i++) {
			*block = s->conf->geo.log_start + i;
			if (!s->img->side[*block])
				continue;
			memcpy(&b, s->img->side[*block]->d, sizeof(b));
			decrypt(key, &b);
			if (holds(s, &b, sizeof(b)))
				return true;
			if (b.zero || le16_to_cpu(b.count) > IC_LOG_ENTRIES ||
			    le16_to_cpu(b.flags) != IC_LOG_LAST)
				continue;
			add_salt(s, b.next_salt);
		}
	}
	return false;
}

/**
 * erase_check() - is what was erased on no place of the disk?
 * @img: the disk
 * @conf: the run's
 * @m: knows the salts
 * @closed: no erasure is under way: all that was forgotten for sure is erased
 * @why: receives where one is
 * @len: its size
 */
bool erase_check(const struct image *img, const struct conf *conf,
		 const struct model *m, bool closed, char *why, size_t len)
{
	struct search s = {
		.img = img, .conf = conf, .m = m, .closed = closed,
	};
	u64 block;

	super_salts(&s);
	if (in_nodes(&s, &block) || in_log(&s, &block)) {
		snprintf(why, len,
			 "the salt of life %u of inode %u, erased, is in block %lu",
			 s.inst, m->inst[s.inst].ino, block);
		return false;
	}
	return true;
}
