/* Windows do what the host's own mappings do: each row of one table on windows of a pool, on tmpfs, a memfd and hugetlbfs. */
/* test: suite=short timeout=120 */
#include "test.h"
#include "window_table.h"

int main(void)
{
	test_dir();
	window_table(window_rows, window_knowns);
	return 0;
}
