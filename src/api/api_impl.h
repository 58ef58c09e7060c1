/* api/api_impl.h — what the files of quern.h share. */
#ifndef QN_API_IMPL_H
#define QN_API_IMPL_H

#include "base/pool.h"
#include "kernels/kernels.h"
#include "quern.h"

struct quern_pool { qn_pool *pool; };

/* Options as the caller knows them over ours: fields that the caller's version lacks keep their defaults. */
int qn_api_options(void *ours, size_t size, const void *given);
/* "f32" … to a dtype; NULL or "as-is" to -1. */
int qn_api_dtype(const char *name, int *dtype);
/* At the level that quern_init left. */
const qn_kernels *qn_api_kernels(void);

#endif
