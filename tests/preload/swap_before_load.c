// SPDX-License-Identifier: GPL-2.0-only
/*
 * swap_before_load.so - a storage that shows the tool one thing and the kernel
 * another.  Preloaded into "inocrypt open" it runs $SWAP_CMD after the tool has
 * read the superblock and before it loads the table: when it hands over the
 * volume key.
 */
#include <dlfcn.h>
#include <keyutils.h>
#include <stdlib.h>
#include <string.h>

key_serial_t add_key(const char *type, const char *description,
		     const void *payload, size_t plen, key_serial_t ringid)
{
	key_serial_t (*real)(const char *type, const char *description,
			     const void *payload, size_t plen,
			     key_serial_t ringid);
	const char *cmd = getenv("SWAP_CMD");

	if (cmd && !strcmp(type, "logon") && system(cmd))
		abort();
	*(void **)&real = dlsym(RTLD_NEXT, "add_key");
	return real(type, description, payload, plen, ringid);
}
