/*
 * Ranked robust locks. When the owner died, the next locker gets the lock and is told; it repairs what
 * the lock protects before anything else. A repair is idempotent: it makes the structure follow from words
 * that are true at every instruction (folio words, media), and so may itself be killed and begun again.
 *
 * A lock that a living process does not give back within the limit is reported with the pid and the lock's
 * name: -PF_ESTOPPED if that process is stopped, otherwise -PF_ELOCKTIME after ten times the limit.
 */
#ifndef RUNTIME_LOCK_H
#define RUNTIME_LOCK_H

#include "runtime/runtime.h"

#define RT_PATIENCE    10u /* times the limit, for an owner that is not stopped */
#define RT_LOCK_REPAIR 1   /* got it; its last owner died */

/* Once, when the memory is new. */
void rt_lock_init(struct rt_lock *lock, enum rt_class rt_class, uint32_t number);
/* 0, RT_LOCK_REPAIR, or an error and the lock is not taken. The dead owner's row is marked dead. */
int rt_lock(struct rt_self *me, struct rt_lock *lock);
/* The same without waiting: -PF_EAGAIN if somebody has it. */
int rt_trylock(struct rt_self *me, struct rt_lock *lock);
void rt_unlock(struct rt_self *me, struct rt_lock *lock);
/* A process of our pid namespace is stopped, or traced and waiting. */
bool rt_pid_stopped(unsigned pid);
/* "allocator lock", "lock of inode 7": into `text`. */
void rt_lock_name(const struct rt_lock *lock, char *text, size_t size);

#endif
