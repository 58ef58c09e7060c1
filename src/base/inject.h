/* base/inject.h — failures on demand, for tests: the n-th call from now fails, then all work again. */
#ifndef QN_BASE_INJECT_H
#define QN_BASE_INJECT_H

#include <stdatomic.h>

#include "base/compiler.h"

/* Counts down to the one call that a test wants to fail; the count then rests at -1, which is "off". */
static inline bool qn_inject_now(_Atomic int64_t *fail_after) {
    int64_t left = atomic_load_explicit(fail_after, memory_order_relaxed);
    while (left >= 0)
        if (atomic_compare_exchange_weak(fail_after, &left, left - 1))
            return left == 0;
    return false;
}

#endif
