/* Windows do what a kernel was seen to do, row by row of its tables, but for what it does worse than tmpfs. */
/* test: suite=short timeout=120 */
#include "test.h"
#include "window_table.h"

int main(void)
{
	test_dir();
	window_table(window_oracle_rows, window_oracle_knowns);
	return 0;
}
