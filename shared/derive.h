/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Key derivation: every working key is HMAC-SHA256(parent, label || context).
 *
 * A label is 32 bytes, padded with zeros, and names purpose, algorithm and key
 * size, so that no two uses of a parent key can meet.
 */
#ifndef IC_DERIVE_H
#define IC_DERIVE_H

#include "format.h"

#define IC_LABEL_SIZE	32

#define IC_LABEL_SUPER		"inocrypt v1 super aes256gcm"
#define IC_LABEL_NODE		"inocrypt v1 node aes256gcm"
#define IC_LABEL_LOG		"inocrypt v1 log hmacsha256"
#define IC_LABEL_LOG_SALT	"inocrypt v1 log aes256gcm"
#define IC_LABEL_ANCHOR		"inocrypt v1 anchor hmacsha256"
#define IC_LABEL_OWNER_CHECK	"inocrypt v1 owner check"

/*
 * This label isn't padded: the design fixed it so, and other tools may
 * compute it.
 */
#define IC_LABEL_KEY_ID		"inocrypt v1 id"

int ic_derive_key_id(const u8 mk[IC_KEY_SIZE], const u8 uuid[IC_UUID_SIZE],
		     u8 key_id[IC_KEY_ID_SIZE]);
int ic_derive_volume_key(const u8 vk[IC_KEY_SIZE],
			 const u8 uuid[IC_UUID_SIZE], const char *label,
			 u8 key[IC_KEY_SIZE]);
int ic_derive_log_key(const u8 master[IC_KEY_SIZE],
		      const u8 salt[IC_SALT_SIZE], u8 key[IC_KEY_SIZE]);
int ic_derive_data_key(const u8 vk[IC_KEY_SIZE], const u8 uuid[IC_UUID_SIZE],
		       u32 cipher, u8 key[IC_KEY_SIZE]);
int ic_derive_owner_key(const u8 mk[IC_KEY_SIZE], const u8 uuid[IC_UUID_SIZE],
			u32 cipher, u32 ino, u32 gen,
			const u8 salt[IC_SALT_SIZE], u8 key[IC_KEY_SIZE]);
int ic_derive_owner_check(const u8 key[IC_KEY_SIZE],
			  u8 check[IC_CHECK_SIZE]);

/**
 * struct ic_sector_aad - what a data sector's tag covers besides its contents
 *
 * Owner 0 has gen 0.
 */
struct ic_sector_aad {
	u8	label[16];		/* IC_SECTOR_AAD_LABEL */
	u8	uuid[IC_UUID_SIZE];
	__le64	sector;			/* crypto sector number */
	__le32	ino;
	__le32	gen;
};

#define IC_SECTOR_AAD_LABEL	"inocrypt1 sector"

static_assert(sizeof(struct ic_sector_aad) == 48, "on disk");

void ic_sector_aad(struct ic_sector_aad *aad, const u8 uuid[IC_UUID_SIZE],
		   u64 sector, u32 ino, u32 gen);

/**
 * struct ic_cipher_info - a cipher for data sectors
 * @name: in the tool and in the status
 * @driver: the kernel crypto API's name
 * @key_size: bytes; the beginning of the derived key
 * @iv_size: bytes; the nonce padded with zeros
 * @volume_label: of the key of owner 0's sectors
 * @owner_label: of the other owners' keys
 * @rereads: its code may read its input twice, so that what may change
 *	meanwhile has to be copied before
 */
struct ic_cipher_info {
	const char	*name;
	const char	*driver;
	unsigned int	key_size;
	unsigned int	iv_size;
	const char	*volume_label;
	const char	*owner_label;
	bool		rereads;
};

const struct ic_cipher_info *ic_cipher_info(u32 cipher);

#endif /* IC_DERIVE_H */
