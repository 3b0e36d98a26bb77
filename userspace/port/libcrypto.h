/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User space's side of shared/port.h, with libcrypto.
 */
#ifndef IC_SEAM_USER_H
#define IC_SEAM_USER_H

#include "derive.h"

struct ic_meta_key *ic_meta_key_new(const u8 key[IC_KEY_SIZE]);
void ic_meta_key_free(struct ic_meta_key *key);
int ic_data_open(u32 cipher, const u8 key[IC_KEY_SIZE],
		 const u8 nonce[IC_NONCE_SIZE], const void *aad,
		 unsigned int aad_len, void *buf, unsigned int len,
		 const u8 tag[IC_TAG_SIZE]);

#endif /* IC_SEAM_USER_H */
