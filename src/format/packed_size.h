/* format/packed_size.h — how small a text becomes: a measure of how much of it repeats itself. */
#ifndef QN_FORMAT_PACKED_SIZE_H
#define QN_FORMAT_PACKED_SIZE_H

#include "base/str.h"

/* Bytes after deflate (zlib, level 6). The number may differ between versions of zlib by a little. */
int qn_packed_size(qn_str s, int64_t *out);

#endif
