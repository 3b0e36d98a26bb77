// SPDX-License-Identifier: GPL-2.0-only
/*
 * Handing keys to the kernel: "logon" keys can be added but never read back
 * from user space.  They live in this process's own keyring, where the target
 * finds them as its constructor runs in our context, and go with the process.
 */
#include "kernel/kernel.h"

/**
 * keyring_add() - make a key that the target can find by its description
 * @desc: "inocrypt:..."; the part before the colon is the kernel's key class
 * @key: copied
 *
 * Return: the key's serial number, or -1 with errno set.
 */
key_serial_t keyring_add(const char *desc, const u8 key[IC_KEY_SIZE])
{
	return add_key("logon", desc, key, IC_KEY_SIZE,
		       KEY_SPEC_PROCESS_KEYRING);
}

/**
 * keyring_remove() - drop a key once the target has its copy
 * @key: from keyring_add(), or -1
 */
void keyring_remove(key_serial_t key)
{
	if (key != -1)
		keyctl_unlink(key, KEY_SPEC_PROCESS_KEYRING);
}
