// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt status: the target's status line, for people or as JSON.
 */
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"

static const struct argp_child children[] = {
	{ &json_argp, 0, NULL, 0 }, { &words_argp, 0, NULL, 0 }, { 0 }
};

static const struct argp argp = {
	NULL, children_parse, "NAME",
	"Show the health and the counters of the open volume NAME.", children,
	NULL, NULL
};

static void print_text(const struct dm_volume *v, char *status)
{
	char *save, *token;

	say("%-22s /dev/mapper/%s (%u:%u)", "device", v->name, v->major,
	    v->minor);
	say("%-22s %llu", "bytes", (unsigned long long)v->sectors * 512);
	say("%-22s %s", "access", v->readonly ? "read-only" :
						  "read-write");
	say("%-22s %d", "open_count", v->open_count);
	for (token = strtok_r(status, " ", &save); token;
	     token = strtok_r(NULL, " ", &save)) {
		char *value = strchr(token, '=');

		if (value)
			*value++ = 0;
		say("%-22s %s", value ? token : "state",
		    value ? value : token);
	}
}

static void print_json(const struct dm_volume *v, char *status)
{
	struct json_object *o = json_object_new_object();
	char *save, *token;

	put_str(o, "name", v->name);
	put_u64(o, "bytes", v->sectors * 512);
	put_bool(o, "readonly", v->readonly);
	json_object_object_add(o, "open_count",
			       json_object_new_int(v->open_count));
	for (token = strtok_r(status, " ", &save); token;
	     token = strtok_r(NULL, " ", &save)) {
		char *value = strchr(token, '=');
		struct json_object *j;
		u64 n;

		if (value)
			*value++ = 0;
		j = value && parse_u64(value, &n) ?
		    json_object_new_uint64(n) :
		    json_object_new_string(value ? value : token);
		json_object_object_add(o, value ? token : "state", j);
	}
	out_json(o);
	json_object_put(o);
}

/**
 * cmd_status() - inocrypt status
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code; also 0 if the volume's state is "failing" or "failed".
 */
int cmd_status(int argc, char **argv)
{
	bool json = false;
	const char *name;
	struct words words = { .to = { &name }, .min = 1 };
	void *inputs[] = { &json, &words, NULL };
	struct dm_volume v;
	int ret;

	parse_command(&argp, argc, argv, inputs);
	ret = dm_volume_get(&v, name);
	if (ret)
		return ret;
	dm_volume_warn(&v);
	if (json)
		print_json(&v, v.status);
	else
		print_text(&v, v.status);
	dm_volume_put(&v);
	return 0;
}
