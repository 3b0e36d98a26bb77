// SPDX-License-Identifier: GPL-2.0-only
/*
 * Options for the cost of guessing a passphrase, named as cryptsetup's.
 */
#include <string.h>

#include "header/header.h"

enum { OPT_TYPE = 0x600, OPT_MEMORY, OPT_PARALLEL, OPT_ITERATIONS };

static const struct argp_option options[] = {
	{ "pbkdf", OPT_TYPE, "NAME", 0,
	  "Key derivation: argon2id (default), argon2i or pbkdf2", 0 },
	{ "iter-time", 'i', "MS", 0, "Let it take so long on this machine", 0 },
	{ "pbkdf-memory", OPT_MEMORY, "KIB", 0, "Argon2: at most so much memory",
	  0 },
	{ "pbkdf-parallel", OPT_PARALLEL, "N", 0, "Argon2: so many threads", 0 },
	{ "pbkdf-force-iterations", OPT_ITERATIONS, "N", 0,
	  "Measure nothing, iterate so often", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct luks_pbkdf *p = state->input;
	u64 n = 0;

	if (key == OPT_TYPE) {
		if (strcmp(arg, "argon2id") && strcmp(arg, "argon2i") &&
		    strcmp(arg, "pbkdf2"))
			args_error(state, "pbkdf %s: argon2id, argon2i or pbkdf2",
				   arg);
		p->type = arg;
		return 0;
	}
	if (key != 'i' && (key < OPT_MEMORY || key > OPT_ITERATIONS))
		return ARGP_ERR_UNKNOWN;
	if (!parse_u64(arg, &n) || !n || n > INT32_MAX)
		args_error(state, "%s isn't a number above 0, or is too large",
			   arg);
	switch (key) {
	case 'i':
		p->time_ms = n;
		break;
	case OPT_MEMORY:
		p->memory_kib = n;
		break;
	case OPT_PARALLEL:
		p->threads = n;
		break;
	case OPT_ITERATIONS:
		p->iterations = n;
		break;
	}
	return 0;
}

const struct argp luks_pbkdf_argp = { .options = options, .parser = parse };
