/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The options of the target's table line: one table for the target, which takes them
 * and shows them, and for the tool, which has an option for each.
 */
#ifndef IC_TABLE_OPTIONS_H
#define IC_TABLE_OPTIONS_H

#include "port.h"

/**
 * struct ic_table_options - what a table line's options say
 * @allow_discards: pass discards on to the data device
 * @raw: begin in raw mode
 * @give_up_unwritable: give up data that only the log has and that has no place (redo.c)
 * @snapshot: the same volume may be open elsewhere
 * @give_up_unreadable: give up what a block that can't be read may hide (recover.c)
 * @zero_torn: torn sectors become zeros, not errors (recover.c)
 * @cache_bytes: bound of the node cache
 */
struct ic_table_options {
	bool	allow_discards;
	bool	raw;
	bool	give_up_unwritable;
	bool	snapshot;
	bool	give_up_unreadable;
	bool	zero_torn;
	u64	cache_bytes;
};

/**
 * struct ic_table_option - one of them
 * @word: as it is in the table line; one with a value is word:value
 * @at: offset of its field in struct ic_table_options: a u64 if it has a value, or a bool
 * @min: least value; 0 if it has none
 * @usual: value that it has if it isn't given
 * @error: what is said of a value out of range: less than @min, or more than half of the
 *	memory, as what can be bounded so far is memory
 * @option: the tool's long option; it and what follows are there in user space only
 * @value: what the tool's help calls its value, a size; NULL if it has none
 * @help: the option's help
 */
struct ic_table_option {
	const char	*word;
	size_t		at;
	u64		min, usual;
	const char	*error;
#ifndef __KERNEL__
	const char	*option, *value, *help;
#endif
};

extern const struct ic_table_option ic_table_option[];
extern const unsigned int ic_nr_table_options;

void ic_table_options_init(struct ic_table_options *o);
bool *ic_table_option_flag(struct ic_table_options *o, unsigned int i);
u64 *ic_table_option_number(struct ic_table_options *o, unsigned int i);
unsigned int ic_table_options_print(const struct ic_table_options *o, char *out,
				    unsigned int size);

#endif /* IC_TABLE_OPTIONS_H */
