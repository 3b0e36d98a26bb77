// SPDX-License-Identifier: GPL-2.0-only
/*
 * The nonce generator: a random 96-bit base plus a counter.
 *
 * Nothing read from the disk enters it, so that a replayed disk cannot make a
 * nonce repeat.  The base is drawn at activation, every 2^20 nonces, and after
 * the kernel learnt that this memory's state may live twice: a VM was forked,
 * or the system resumed.  Two random bases come within 2^20 of each other with
 * probability 2^-75; among 2^32 bases, which is 2^52 sectors written, any two do
 * with probability 2^-12.
 */
#include <linux/notifier.h>
#include <linux/random.h>
#include <linux/suspend.h>

#include "crypto/crypto.h"

#define NONCES_PER_BASE	BIT_ULL(20)

/* Grows when every base has to be drawn anew. */
static atomic_long_t redraw_generation = ATOMIC_LONG_INIT(1);

static int vmfork_event(struct notifier_block *nb, unsigned long action,
			void *data)
{
	atomic_long_inc(&redraw_generation);
	return NOTIFY_DONE;
}

static struct notifier_block vmfork_nb = { .notifier_call = vmfork_event };

/*
 * After a hibernation image was made this kernel goes on writing until it is
 * off, and the image, once resumed, would use the same nonces again and take an
 * older checkpoint for the committed one.  So both exclude each other.
 */
static DEFINE_SPINLOCK(writers_lock);	/* guards the two below */
static unsigned int writers;		/* tables that may write */
static bool hibernating;

static int pm_event(struct notifier_block *nb, unsigned long action, void *data)
{
	bool refuse;

	switch (action) {
	case PM_HIBERNATION_PREPARE:
		spin_lock(&writers_lock);
		refuse = writers;
		hibernating = !refuse;
		spin_unlock(&writers_lock);
		if (!refuse)
			break;
		DMERR("no hibernation while a volume is active; close it first");
		return notifier_from_errno(-EBUSY);
	case PM_POST_HIBERNATION:
		spin_lock(&writers_lock);
		hibernating = false;
		spin_unlock(&writers_lock);
		atomic_long_inc(&redraw_generation);
		break;
	case PM_POST_SUSPEND:
	case PM_POST_RESTORE:
		atomic_long_inc(&redraw_generation);
		break;
	}
	return NOTIFY_DONE;
}

/**
 * ic_nonces_begin_writes() - a table that may write becomes active
 *
 * Return: 0, or -EBUSY while the system is about to hibernate.
 */
int ic_nonces_begin_writes(void)
{
	int err = 0;

	spin_lock(&writers_lock);
	if (hibernating)
		err = -EBUSY;
	else
		writers++;
	spin_unlock(&writers_lock);
	return err;
}

/**
 * ic_nonces_end_writes() - undo ic_nonces_begin_writes()
 */
void ic_nonces_end_writes(void)
{
	spin_lock(&writers_lock);
	writers--;
	spin_unlock(&writers_lock);
}

static struct notifier_block pm_nb = { .notifier_call = pm_event };

/**
 * ic_nonce_module_init() - listen for forks and resumes
 *
 * Return: 0 or a negative errno.
 */
int ic_nonce_module_init(void)
{
	int err;

	err = register_random_vmfork_notifier(&vmfork_nb);
	if (err)
		return err;
	err = register_pm_notifier(&pm_nb);
	if (err)
		unregister_random_vmfork_notifier(&vmfork_nb);
	return err;
}

/**
 * ic_nonce_module_exit() - undo ic_nonce_module_init()
 */
void ic_nonce_module_exit(void)
{
	unregister_pm_notifier(&pm_nb);
	unregister_random_vmfork_notifier(&vmfork_nb);
}

/**
 * ic_nonces_init() - prepare a generator; the first nonce draws its base
 * @nonces: the generator
 *
 * Context: after wait_for_random_bytes().
 */
void ic_nonces_init(struct ic_nonces *nonces)
{
	spin_lock_init(&nonces->lock);
	nonces->used = NONCES_PER_BASE;
}

/**
 * ic_nonce() - a nonce that was never used before
 * @nonces: the generator
 * @nonce: receives base + counter, modulo 2^96
 *
 * Context: any but hard interrupt.  Base and counter are taken under one lock.
 */
void ic_nonce(struct ic_nonces *nonces, u8 nonce[IC_NONCE_SIZE])
{
	unsigned long now = atomic_long_read(&redraw_generation);
	__le64 low;
	__le32 high;
	u64 sum;
	u32 carry;

	spin_lock_bh(&nonces->lock);
	if (nonces->used >= NONCES_PER_BASE || nonces->redraw != now) {
		get_random_bytes(nonces->base, sizeof(nonces->base));
		nonces->used = 0;
		nonces->redraw = now;
	}
	memcpy(&low, nonces->base, sizeof(low));
	memcpy(&high, nonces->base + sizeof(low), sizeof(high));
	sum = le64_to_cpu(low) + nonces->used;
	carry = sum < nonces->used;
	nonces->used++;
	spin_unlock_bh(&nonces->lock);

	low = cpu_to_le64(sum);
	high = cpu_to_le32(le32_to_cpu(high) + carry);
	memcpy(nonce, &low, sizeof(low));
	memcpy(nonce + sizeof(low), &high, sizeof(high));
}
