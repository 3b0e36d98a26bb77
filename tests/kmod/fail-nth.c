// SPDX-License-Identifier: GPL-2.0-only
/*
 * fail-nth: in a checkpoint of dm-inocrypt, let one call fail
 *
 * Of the calls that ic_commit() makes, itself or by others, to the functions named
 * below, the one with the number in the parameter "nth" (from 1) fails with -ENOMEM
 * though it was done; "calls" counts them, from when "nth" was last written.  What other
 * tasks call isn't touched.  Needs no kernel with fault injection: it is done with
 * return probes.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/sched.h>

static struct task_struct *committing;
static int nth, calls;

static int set_nth(const char *val, const struct kernel_param *kp)
{
	WRITE_ONCE(calls, 0);
	return param_set_int(val, kp);
}

static const struct kernel_param_ops nth_ops = {
	.set = set_nth,
	.get = param_get_int,
};

module_param_cb(nth, &nth_ops, &nth, 0600);
MODULE_PARM_DESC(nth, "call that fails, 0 for none");
module_param(calls, int, 0400);
MODULE_PARM_DESC(calls, "how many there were");

static int commit_begins(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	WRITE_ONCE(committing, current);
	return 0;
}

static int commit_ends(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	WRITE_ONCE(committing, NULL);
	return 0;
}

/* Not zero: this one isn't watched. */
static int call_begins(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	return READ_ONCE(committing) != current;
}

static int call_ends(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	if (++calls == nth)
		regs_set_return_value(regs, (unsigned long)-ENOMEM);
	return 0;
}

static struct kretprobe commit_probe = {
	.kp.symbol_name = "ic_commit",
	.entry_handler = commit_begins,
	.handler = commit_ends,
	.maxactive = 4,
};

#define CALL(name) {				\
	.kp.symbol_name = name,			\
	.entry_handler = call_begins,		\
	.handler = call_ends,			\
	.maxactive = 64,			\
}

/* All by which a checkpoint can get an error without a device's doing. */
static struct kretprobe call_probes[] = {
	CALL("ic_hmac_sha256"),
	CALL("ic_meta_key_set"),
	CALL("ic_meta_seal"),
};

static int __init fail_nth_init(void)
{
	unsigned int i;
	int err = register_kretprobe(&commit_probe);

	if (err)
		return err;
	for (i = 0; i < ARRAY_SIZE(call_probes); i++) {
		err = register_kretprobe(&call_probes[i]);
		if (!err)
			continue;
		while (i--)
			unregister_kretprobe(&call_probes[i]);
		unregister_kretprobe(&commit_probe);
		return err;
	}
	return 0;
}

static void __exit fail_nth_exit(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(call_probes); i++)
		unregister_kretprobe(&call_probes[i]);
	unregister_kretprobe(&commit_probe);
}

module_init(fail_nth_init);
module_exit(fail_nth_exit);

MODULE_DESCRIPTION("test: lets calls of a checkpoint of dm-inocrypt fail");
MODULE_AUTHOR("The inocrypt authors");
MODULE_LICENSE("GPL");
