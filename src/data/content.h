/* data/content.h — which documents were seen before: 128 bits of hash for each content. */
#ifndef QN_DATA_CONTENT_H
#define QN_DATA_CONTENT_H

#include "base/str.h"

/* Two 64-bit lanes with seeds of their own. Among 10⁹ documents two different ones collide with probability 10⁻²¹. */
typedef struct { uint64_t a, b; } qn_content;
qn_content qn_content_of(qn_str text);

/* Open addressing, 16 bytes a slot, at most 5/8 full; while it grows, old and new stand side by side. */
typedef struct { qn_content *slot; size_t n, cap; int64_t max_bytes; } qn_content_set;
/* 1 if new, 0 if seen before; QN_ELIMIT, without a message, where a new one would take more than max_bytes. */
int qn_content_add(qn_content_set *s, qn_content c);
bool qn_content_has(const qn_content_set *s, qn_content c);
void qn_content_drop(qn_content_set *s);

#endif
