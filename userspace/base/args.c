// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parsers for what several commands take, to be children of a command's own.
 */
#include "base/base.h"

static const struct argp_option yes_options[] = {
	{ "yes", 'y', NULL, 0, "Don't ask whether it is meant", 0 },
	{ "batch-mode", 'q', NULL, OPTION_ALIAS, NULL, 0 },
	{ 0 }
};

static error_t parse_yes(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	if (key != 'y' && key != 'q')
		return ARGP_ERR_UNKNOWN;
	*(bool *)state->input = true;
	return 0;
}

/* A command with a -q of its own has that; this one is --batch-mode then. */
const struct argp yes_argp = {
	.options = yes_options, .parser = parse_yes,
};

/**
 * words_parse() - argp's parser for arguments that aren't options
 * @key: as argp's
 * @arg: as argp's
 * @state: as argp's; its input is a struct words
 *
 * Return: as argp's.
 */
error_t words_parse(int key, char *arg, struct argp_state *state)
{
	struct words *w = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (!w->to[w->count])
			argp_usage(state);
		*w->to[w->count++] = arg;
		break;
	case ARGP_KEY_END:
		if (w->count < w->min && w->ask)
			args_error(state, "%s", w->ask);
		else if (w->count < w->min)
			argp_usage(state);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/**
 * children_parse() - argp's parser for a command whose options are all its children's
 * @key: as argp's
 * @arg: as argp's
 * @state: as argp's; its input is a list of the children's, with a NULL behind it
 *
 * Return: as argp's.
 */
error_t children_parse(int key, char *arg, struct argp_state *state)
{
	void **inputs = state->input;

	(void)arg;
	if (key != ARGP_KEY_INIT)
		return ARGP_ERR_UNKNOWN;
	for (size_t i = 0; inputs[i]; i++)
		state->child_inputs[i] = inputs[i];
	return 0;
}

const struct argp words_argp = { .parser = words_parse };
