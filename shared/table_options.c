// SPDX-License-Identifier: GPL-2.0-only
/*
 * The options of the target's table line.  Shared code.
 */
#include "table_options.h"
#include "tunables.h"

/* What only the tool needs: its option, the help for that, and what it calls a value. */
#ifdef __KERNEL__
#define TOLD(name, text, val)
#else
#define TOLD(name, text, val)	.option = (name), .help = (text), .value = (val),
#endif

#define FIELD(name) \
	.word = #name, .at = offsetof(struct ic_table_options, name)

/* An option is a row here, and a field in struct ic_table_options. */
const struct ic_table_option ic_table_option[] = {
	{ FIELD(allow_discards),
	  TOLD("allow-discards",
	       "Pass discards on to DEV, which then shows what is unused",
	       NULL)
	},
	{ FIELD(raw),
	  TOLD("raw",
	       "Start in raw mode, for mke2fs and e2fsck on a volume with owners",
	       NULL)
	},
	{ FIELD(give_up_unwritable),
	  TOLD("give-up-unwritable",
	       "Give up sectors that only the log has and that can't be put in place: they are named, and read as errors",
	       NULL)
	},
	{ FIELD(snapshot),
	  TOLD("snapshot",
	       "With --readonly: DEV is a snapshot of a volume that may be open, too; not compared with its anchor",
	       NULL)
	},
	{ FIELD(give_up_unreadable),
	  TOLD("give-up-unreadable",
	       "Give up what a block of the log, or a superblock, that can't be read may hide, and what the log has of a leaf that can't be read: what was written last",
	       NULL)
	},
	{ FIELD(zero_torn),
	  TOLD("zero-torn",
	       "After a crash, sectors that were cut off while being written read as zeros, not as errors: for journals other than our ext4's",
	       NULL)
	},
	{ FIELD(cache_bytes), .min = IC_CACHE_BYTES_MIN,
	  .usual = IC_CACHE_BYTES_DEFAULT, .error = "cache_bytes out of range",
	  TOLD("cache-size", "Bound of the metadata cache in memory", "SIZE")
	},
};

const unsigned int ic_nr_table_options = ARRAY_SIZE(ic_table_option);

/**
 * ic_table_option_flag() - the field of an option that is one word
 * @o: the options
 * @i: which
 *
 * Return: the field, NULL if this option has a value.
 */
bool *ic_table_option_flag(struct ic_table_options *o, unsigned int i)
{
	return ic_table_option[i].min ? NULL :
	       (void *)((char *)o + ic_table_option[i].at);
}

/**
 * ic_table_option_number() - the field of an option with a value
 * @o: the options
 * @i: which
 *
 * Return: the field, NULL if this option is one word.
 */
u64 *ic_table_option_number(struct ic_table_options *o, unsigned int i)
{
	return ic_table_option[i].min ?
	       (void *)((char *)o + ic_table_option[i].at) : NULL;
}

/**
 * ic_table_options_init() - as they are if none is given
 * @o: to set
 */
void ic_table_options_init(struct ic_table_options *o)
{
	unsigned int i;

	memset(o, 0, sizeof(*o));
	for (i = 0; i < ic_nr_table_options; i++)
		if (ic_table_option_number(o, i))
			*ic_table_option_number(o, i) = ic_table_option[i].usual;
}

/* One option, if it was given, with a space before it; returns its length. */
static unsigned int print_one(const struct ic_table_options *o, unsigned int i,
			      char *out, unsigned int size)
{
	const struct ic_table_option *opt = &ic_table_option[i];
	const void *field = (const char *)o + opt->at;
	u64 number;

	if (!opt->min)
		return *(const bool *)field ?
		       snprintf(out, size, " %s", opt->word) : 0;
	number = *(const u64 *)field;
	return number == opt->usual ? 0 :
	       snprintf(out, size, " %s:%llu", opt->word,
			(unsigned long long)number);
}

/**
 * ic_table_options_print() - the end of the table line: how many were given, and which
 * @o: the options
 * @out: receives the text, cut off where it doesn't fit
 * @size: its size in bytes
 *
 * Return: length of what was put there; less than @size, unless that is 0.
 */
unsigned int ic_table_options_print(const struct ic_table_options *o, char *out,
				    unsigned int size)
{
	unsigned int nr = 0, len = 0, i;

	if (!size)
		return 0;
	*out = 0;
	for (i = 0; i < ic_nr_table_options; i++)
		nr += !!print_one(o, i, NULL, 0);
	if (nr)
		len = snprintf(out, size, " %u", nr);
	for (i = 0; i < ic_nr_table_options && len < size; i++)
		len += print_one(o, i, out + len, size - len);
	return len < size ? len : size - 1;
}
