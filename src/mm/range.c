/*
 * Ranges that do not overlap, in order. A treap: a search tree by `start` in which no node has a higher priority than the one above it; priorities
 * are drawn when nodes come, so the tree is as deep as one that was filled in random order, whatever the order was.
 */
#include "mm/inner.h"

static uint32_t draw(struct ranges *r)
{
	r->random ^= r->random << 13;
	r->random ^= r->random >> 7;
	r->random ^= r->random << 17;
	return (uint32_t)(r->random >> 32);
}

struct range *range_find(const struct ranges *r, uint64_t at)
{
	struct range *found = NULL;

	for (struct range *node = r->root; node;)
		if (node->end > at) {
			found = node;
			node = node->left;
		} else {
			node = node->right;
		}
	return found;
}

struct range *range_before(const struct ranges *r, uint64_t at)
{
	struct range *found = NULL;

	for (struct range *node = r->root; node;)
		if (node->start < at) {
			found = node;
			node = node->right;
		} else {
			node = node->left;
		}
	return found;
}

/* What begins before `at` goes to *left, the rest to *right. */
static void divide(struct range *node, uint64_t at, struct range **left, struct range **right)
{
	while (node)
		if (node->start < at) {
			*left = node;
			left = &node->right;
			node = node->right;
		} else {
			*right = node;
			right = &node->left;
			node = node->left;
		}
	*left = *right = NULL;
}

/* All of `left` is before `right`. */
static struct range *unite(struct range *left, struct range *right)
{
	struct range *root, **to = &root;

	while (left && right)
		if (left->priority > right->priority) {
			*to = left;
			to = &left->right;
			left = left->right;
		} else {
			*to = right;
			to = &right->left;
			right = right->left;
		}
	*to = left ? left : right;
	return root;
}

void range_insert(struct ranges *r, struct range *new)
{
	struct range **at = &r->root, *before = range_before(r, new->start);

	if (!r->random)
		r->random = 0x9e3779b97f4a7c15ull;
	new->priority = draw(r);
	while (*at && (*at)->priority >= new->priority)
		at = new->start < (*at)->start ? &(*at)->left : &(*at)->right;
	divide(*at, new->start, &new->left, &new->right);
	*at = new;
	new->next = before ? before->next : r->first;
	*(before ? &before->next : &r->first) = new;
	r->count++;
}

void range_remove(struct ranges *r, struct range *old)
{
	struct range **at = &r->root, *before = range_before(r, old->start);

	while (*at != old)
		at = old->start < (*at)->start ? &(*at)->left : &(*at)->right;
	*at = unite(old->left, old->right);
	*(before ? &before->next : &r->first) = old->next;
	r->count--;
}
