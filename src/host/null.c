/* A host that maps nothing and writes down what it was asked to do, for tests; see host.h. */
#include <stdlib.h>

#include "base/err.h"
#include "base/sys.h"
#include "host/host.h"

#define FIRST_ADDRESS (1ull << 40)

static int write_down(struct host *h, struct host_call call)
{
	struct host_journal *j = h->arg;

	if (j->refuse_nth && --j->refuse_nth == 0)
		return err(PF_EMAPCOUNT, "refused");
	if (j->count == j->room) {
		struct host_call *grown = sys_grow(j->call, &j->room, sizeof *j->call);

		if (!grown)
			return err(ENOMEM, "journal");
		j->call = grown;
	}
	j->call[j->count++] = call;
	return 0;
}

static int null_reserve(struct host *h, uint64_t wish, uint64_t length, uint64_t align, bool fixed,
			bool replace, uint64_t *address)
{
	struct host_journal *j = h->arg;
	uint64_t at = fixed ? wish : align_up(j->next, align);
	int rc;

	for (uint64_t page = at; fixed && !replace && page < at + length; page += PAGE_BYTES) {
		const struct host_call *there = host_null_at(h, page);

		if (there && there->what != HOST_RELEASE)
			return err(PF_EMAPPED, "%#lx", (unsigned long)page);
	}
	rc = write_down(h,
			(struct host_call){.what = HOST_RESERVE, .address = at, .length = length});
	if (rc == 0 && !fixed)
		j->next = at + length;
	*address = at;
	return rc;
}

static int null_release(struct host *h, uint64_t address, uint64_t length)
{
	return write_down(h, (struct host_call){.what = HOST_RELEASE,
						.address = address,
						.length = length});
}

static int null_map(struct host *h, uint64_t address, uint64_t length, uint64_t offset, int prot)
{
	return write_down(h, (struct host_call){.what = HOST_MAP,
						.address = address,
						.length = length,
						.offset = offset,
						.prot = prot});
}

static int null_zeros(struct host *h, uint64_t address, uint64_t length, int prot)
{
	return write_down(h, (struct host_call){.what = HOST_ZEROS,
						.address = address,
						.length = length,
						.prot = prot & ~PROT_WRITE});
}

static int null_sigbus(struct host *h, uint64_t address, uint64_t length, int prot)
{
	return write_down(h, (struct host_call){.what = HOST_SIGBUS,
						.address = address,
						.length = length,
						.prot = prot});
}

static int null_nothing(struct host *h, uint64_t address, uint64_t length)
{
	return write_down(h, (struct host_call){.what = HOST_NOTHING,
						.address = address,
						.length = length});
}

static void null_populate(struct host *h, uint64_t address, uint64_t length, bool write)
{
	write_down(h, (struct host_call){.what = HOST_POPULATE,
					 .address = address,
					 .length = length,
					 .write = write});
}

static void null_end(struct host *h)
{
	struct host_journal *j = h->arg;

	free(j->call);
	*j = (struct host_journal){.call = NULL};
}

static const struct host_ops null_ops = {.reserve = null_reserve,
					 .release = null_release,
					 .map = null_map,
					 .zeros = null_zeros,
					 .sigbus = null_sigbus,
					 .nothing = null_nothing,
					 .populate = null_populate,
					 .end = null_end};

void host_null(struct dev *dev, struct host *h, struct host_journal *journal)
{
	*journal = (struct host_journal){.next = FIRST_ADDRESS};
	*h = (struct host){.ops = &null_ops, .dev = dev, .bus = -1, .arg = journal};
}

const struct host_call *host_null_at(const struct host *h, uint64_t address)
{
	const struct host_journal *j = h->arg;

	for (size_t i = j->count; i-- > 0;) {
		const struct host_call *call = &j->call[i];

		if (call->what != HOST_POPULATE && address - call->address < call->length)
			return call;
	}
	return NULL;
}
