// SPDX-License-Identifier: GPL-2.0-only
/*
 * Key derivation and the per-sector associated data.  Shared code.
 */
#include "derive.h"

/* A cipher is a row here, and one in userspace/port/libcrypto.c. */
static const struct ic_cipher_info ciphers[IC_CIPHER_COUNT] = {
	[IC_CIPHER_AES256_GCM] = {
		.name = "aes256-gcm",
		.driver = "gcm(aes)",
		.key_size = 32,
		.iv_size = 12,
		.volume_label = "inocrypt v1 volume aes256gcm",
		.owner_label = "inocrypt v1 owner aes256gcm",
	},
	[IC_CIPHER_CHACHA20_POLY1305] = {
		.name = "chacha20-poly1305",
		.driver = "rfc7539(chacha20,poly1305)",
		.key_size = 32,
		.iv_size = 12,
		.volume_label = "inocrypt v1 volume chacha20poly",
		.owner_label = "inocrypt v1 owner chacha20poly",
	},
	[IC_CIPHER_AEGIS128] = {
		.name = "aegis128",
		.driver = "aegis128",
		.key_size = 16,
		.iv_size = 16,
		.volume_label = "inocrypt v1 volume aegis128",
		.owner_label = "inocrypt v1 owner aegis128",
		.rereads = true,
	},
};

/**
 * ic_cipher_info() - look a data cipher up
 * @cipher: enum ic_cipher, not trusted
 *
 * Return: its description, NULL if there is no such cipher.
 */
const struct ic_cipher_info *ic_cipher_info(u32 cipher)
{
	if (!cipher || cipher >= IC_CIPHER_COUNT)
		return NULL;
	return &ciphers[cipher];
}

/* Derive with a padded label; @label is shorter than IC_LABEL_SIZE. */
static int derive(const u8 parent[IC_KEY_SIZE], const char *label,
		  const void *context, unsigned int len, u8 out[32])
{
	u8 msg[IC_LABEL_SIZE + 64] = { 0 };
	int err;

	if (len > sizeof(msg) - IC_LABEL_SIZE || strlen(label) >= IC_LABEL_SIZE)
		return -EINVAL;
	memcpy(msg, label, strlen(label));
	if (len)
		memcpy(msg + IC_LABEL_SIZE, context, len);
	err = ic_hmac_sha256(parent, msg, IC_LABEL_SIZE + len, out);
	memzero_explicit(msg, sizeof(msg));
	return err;
}

/**
 * ic_derive_key_id() - the public name of a master key on one volume
 * @mk: master key
 * @uuid: the volume's
 * @key_id: receives HMAC-SHA256(@mk, "inocrypt v1 id" || @uuid)[0..16]
 *
 * Return: 0 or a negative errno.
 */
int ic_derive_key_id(const u8 mk[IC_KEY_SIZE], const u8 uuid[IC_UUID_SIZE],
		     u8 key_id[IC_KEY_ID_SIZE])
{
	u8 msg[sizeof(IC_LABEL_KEY_ID) - 1 + IC_UUID_SIZE];
	u8 out[32];
	int err;

	memcpy(msg, IC_LABEL_KEY_ID, sizeof(IC_LABEL_KEY_ID) - 1);
	memcpy(msg + sizeof(IC_LABEL_KEY_ID) - 1, uuid, IC_UUID_SIZE);
	err = ic_hmac_sha256(mk, msg, sizeof(msg), out);
	if (!err)
		memcpy(key_id, out, IC_KEY_ID_SIZE);
	memzero_explicit(out, sizeof(out));
	return err;
}

/**
 * ic_derive_volume_key() - a key for the sidecar's own blocks
 * @vk: volume key
 * @uuid: the volume's
 * @label: IC_LABEL_SUPER, IC_LABEL_NODE, IC_LABEL_LOG or IC_LABEL_ANCHOR
 * @key: receives HMAC-SHA256(@vk, label || uuid)
 *
 * Return: 0 or a negative errno.
 */
int ic_derive_volume_key(const u8 vk[IC_KEY_SIZE],
			 const u8 uuid[IC_UUID_SIZE], const char *label,
			 u8 key[IC_KEY_SIZE])
{
	return derive(vk, label, uuid, IC_UUID_SIZE, key);
}

/**
 * ic_derive_log_key() - key of the log blocks under one salt
 * @master: from ic_derive_volume_key() with IC_LABEL_LOG
 * @salt: random; when it is gone, so is what was logged under it
 * @key: receives HMAC-SHA256(@master, label || salt)
 *
 * Return: 0 or a negative errno.  Context: may sleep.
 */
int ic_derive_log_key(const u8 master[IC_KEY_SIZE],
		      const u8 salt[IC_SALT_SIZE], u8 key[IC_KEY_SIZE])
{
	return derive(master, IC_LABEL_LOG_SALT, salt, IC_SALT_SIZE, key);
}

/**
 * ic_derive_data_key() - the key of owner 0's sectors
 * @vk: volume key
 * @uuid: the volume's
 * @cipher: enum ic_cipher
 * @key: receives 32 bytes, of which the cipher uses its key_size first ones
 *
 * Return: 0 or a negative errno.
 */
int ic_derive_data_key(const u8 vk[IC_KEY_SIZE], const u8 uuid[IC_UUID_SIZE],
		       u32 cipher, u8 key[IC_KEY_SIZE])
{
	if (!ic_cipher_info(cipher))
		return -EINVAL;
	return derive(vk, ciphers[cipher].volume_label, uuid, IC_UUID_SIZE, key);
}

/**
 * ic_derive_owner_key() - the key of one inode's sectors
 * @mk: master key
 * @uuid: the volume's
 * @cipher: enum ic_cipher
 * @ino: inode number
 * @gen: inode generation
 * @salt: from the owner record
 * @key: receives HMAC-SHA256(@mk, label || uuid || ino || gen || salt)
 *
 * Return: 0 or a negative errno.
 */
int ic_derive_owner_key(const u8 mk[IC_KEY_SIZE], const u8 uuid[IC_UUID_SIZE],
			u32 cipher, u32 ino, u32 gen,
			const u8 salt[IC_SALT_SIZE], u8 key[IC_KEY_SIZE])
{
	struct {
		u8	uuid[IC_UUID_SIZE];
		__le32	ino;
		__le32	gen;
		u8	salt[IC_SALT_SIZE];
	} ctx;
	int err;

	static_assert(sizeof(ctx) == 40, "no padding");
	if (!ic_cipher_info(cipher))
		return -EINVAL;
	memcpy(ctx.uuid, uuid, IC_UUID_SIZE);
	ctx.ino = cpu_to_le32(ino);
	ctx.gen = cpu_to_le32(gen);
	memcpy(ctx.salt, salt, IC_SALT_SIZE);
	err = derive(mk, ciphers[cipher].owner_label, &ctx, sizeof(ctx), key);
	memzero_explicit(&ctx, sizeof(ctx));
	return err;
}

/**
 * ic_derive_owner_check() - the check value kept beside an owner's salt
 * @key: the owner's key
 * @check: receives its first IC_CHECK_SIZE bytes
 *
 * Return: 0 or a negative errno.
 */
int ic_derive_owner_check(const u8 key[IC_KEY_SIZE], u8 check[IC_CHECK_SIZE])
{
	u8 out[32];
	int err;

	err = derive(key, IC_LABEL_OWNER_CHECK, NULL, 0, out);
	if (!err)
		memcpy(check, out, IC_CHECK_SIZE);
	memzero_explicit(out, sizeof(out));
	return err;
}

/**
 * ic_sector_aad() - fill in the associated data of a data sector
 * @aad: to fill in
 * @uuid: the volume's
 * @sector: crypto sector number
 * @ino: owning inode, 0 for the volume
 * @gen: its generation, 0 for the volume
 */
void ic_sector_aad(struct ic_sector_aad *aad, const u8 uuid[IC_UUID_SIZE],
		   u64 sector, u32 ino, u32 gen)
{
	memcpy(aad->label, IC_SECTOR_AAD_LABEL, sizeof(aad->label));
	memcpy(aad->uuid, uuid, IC_UUID_SIZE);
	aad->sector = cpu_to_le64(sector);
	aad->ino = cpu_to_le32(ino);
	aad->gen = cpu_to_le32(gen);
}
