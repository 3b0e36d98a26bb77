/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's types and helpers that the shared code uses, for user
 * space.
 */
#ifndef IC_PORT_USER_H
#define IC_PORT_USER_H

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <linux/types.h>

typedef int8_t s8;
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define cpu_to_le16(x)		((__le16)htole16(x))
#define cpu_to_le32(x)		((__le32)htole32(x))
#define cpu_to_le64(x)		((__le64)htole64(x))
#define le16_to_cpu(x)		le16toh((uint16_t)(x))
#define le32_to_cpu(x)		le32toh((uint32_t)(x))
#define le64_to_cpu(x)		le64toh((uint64_t)(x))
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define div64_u64(n, d)		((n) / (d))
#define static_assert		_Static_assert
#define memzero_explicit(p, n)	explicit_bzero(p, n)
/* Whoever runs the shared code here is one thread. */
#define READ_ONCE(x)		(x)
#define WRITE_ONCE(x, value)	((x) = (value))

static inline u64 DIV_ROUND_UP_ULL(u64 n, u64 d)
{
	return (n + d - 1) / d;
}

static inline u64 div_u64_rem(u64 n, u32 d, u32 *rem)
{
	*rem = n % d;
	return n / d;
}

/* The kernel's doubly linked list, as far as it is needed. */
struct list_head {
	struct list_head *next, *prev;
};

static inline void INIT_LIST_HEAD(struct list_head *list)
{
	list->next = list;
	list->prev = list;
}

static inline bool list_empty(const struct list_head *list)
{
	return list->next == list;
}

static inline void list_add_tail(struct list_head *item, struct list_head *list)
{
	item->prev = list->prev;
	item->next = list;
	list->prev->next = item;
	list->prev = item;
}

static inline void list_del(struct list_head *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	item->next = NULL;
	item->prev = NULL;
}

/* Move all of @list to the beginning of @to. */
static inline void list_splice_init(struct list_head *list,
				    struct list_head *to)
{
	if (list_empty(list))
		return;
	list->prev->next = to->next;
	to->next->prev = list->prev;
	to->next = list->next;
	list->next->prev = to;
	INIT_LIST_HEAD(list);
}

/* Move all of @list to the end of @to. */
static inline void list_splice_tail_init(struct list_head *list,
					 struct list_head *to)
{
	if (list_empty(list))
		return;
	list->next->prev = to->prev;
	to->prev->next = list->next;
	to->prev = list->prev;
	list->prev->next = to;
	INIT_LIST_HEAD(list);
}

#define list_entry(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))
#define list_for_each_entry(pos, list, member)				\
	for (pos = list_entry((list)->next, __typeof__(*pos), member);	\
	     &pos->member != (list);					\
	     pos = list_entry(pos->member.next, __typeof__(*pos), member))
#define list_for_each_entry_continue(pos, list, member)			\
	for (pos = list_entry(pos->member.next, __typeof__(*pos), member);	\
	     &pos->member != (list);					\
	     pos = list_entry(pos->member.next, __typeof__(*pos), member))
#define list_for_each_entry_safe(pos, n, list, member)			\
	for (pos = list_entry((list)->next, __typeof__(*pos), member),	\
	     n = list_entry(pos->member.next, __typeof__(*pos), member);	\
	     &pos->member != (list);					\
	     pos = n, n = list_entry(n->member.next, __typeof__(*n), member))

/* Zero if equal; takes the same time wherever the first difference is. */
static inline unsigned long crypto_memneq(const void *a, const void *b,
					  size_t n)
{
	const volatile u8 *x = a, *y = b;
	unsigned long neq = 0;

	while (n--)
		neq |= *x++ ^ *y++;
	return neq;
}

static inline bool mem_is_zero(const void *p, size_t n)
{
	const u8 *b = p;

	return !n || (!b[0] && !memcmp(b, b + 1, n - 1));
}

#endif /* IC_PORT_USER_H */
