/* A pool that is mounted for a test, by a child that ends, and unmounts, when the test does. */
#ifndef TEST_MOUNTED_H
#define TEST_MOUNTED_H

/* Why nothing can be mounted here, or NULL. */
const char *mounted_cannot(void);
/* Mounts the pool on test_dir()/name, with these options beside allow_other; the path. */
const char *mounted_at(const char *pool, const char *name, const char *options);
/* Unmounts; the mount process ends well, or the test fails. */
void mounted_end(void);

#endif
