/* format/packed_size.c — deflate into nowhere. */
#include "format/packed_size.h"

#include <zlib.h>

static void *give(void *opaque, unsigned items, unsigned size) {
    (void)opaque;
    return qn_zalloc(QN_MEM_FORMAT, items, size);
}

static void take(void *opaque, void *p) {
    (void)opaque;
    qn_free(p);
}

int qn_packed_size(qn_str s, int64_t *out) {
    unsigned char bin[16384];
    z_stream z = {.zalloc = give, .zfree = take};
    int rc = Z_OK;
    *out = 0;
    if (deflateInit(&z, 6) != Z_OK)
        return QN_ENOMEM;
    for (size_t at = 0; rc == Z_OK;) {
        const size_t n = QN_MIN(s.n - at, (size_t)1 << 30);
        if (z.avail_in == 0) {
            z.next_in = (unsigned char *)(uintptr_t)(s.s + at);         /* zlib reads it only */
            z.avail_in = (unsigned)n;
            at += n;
        }
        z.next_out = bin;
        z.avail_out = sizeof bin;
        rc = deflate(&z, at == s.n ? Z_FINISH : Z_NO_FLUSH);
        *out += (int64_t)(sizeof bin - z.avail_out);
    }
    deflateEnd(&z);
    return rc == Z_STREAM_END ? 0 : qn_fail(QN_ENOMEM, "zlib could not pack %zu bytes", s.n);
}
