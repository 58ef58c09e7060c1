/* data/corpus_utf8.c — what becomes of bytes that are no UTF-8. */
#include "data/corpus.h"

/* Bytes of the broken character at s: its longest beginning that a character could have, at least one byte. */
static size_t broken_length(const char *s, size_t n) {
    for (size_t k = QN_MIN(n, (size_t)3); k > 1; k--)
        if (qn_utf8_pending(s, k) == k)
            return k;
    return 1;
}

int qn_utf8_clean(qn_str s, qn_invalid policy, qn_buf *own, qn_str *clean, int64_t *bad, size_t *bad_at) {
    size_t good = qn_utf8_check(s.s, s.n);
    *clean = s;
    if (good == QN_UTF8_OK)
        return 0;
    *bad_at = good;
    if (policy == QN_INVALID_REFUSE)
        return QN_EUTF8;
    qn_buf_clear(own);
    while (good != QN_UTF8_OK) {
        QN_TRY(qn_buf_put(own, s.s, good));
        if (policy == QN_INVALID_REPLACE)
            QN_TRY(qn_buf_utf8(own, 0xfffd));
        ++*bad;
        good += broken_length(s.s + good, s.n - good);
        s = (qn_str){s.s + good, s.n - good};
        good = qn_utf8_check(s.s, s.n);
    }
    QN_TRY(qn_buf_put(own, s.s, s.n));
    *clean = (qn_str){own->s, own->n};
    return 0;
}
