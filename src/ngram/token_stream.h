/* ngram/token_stream.h — the ids of documents, one behind the other, as everything in this room counts them:
 *
 *     V 17 4 … V 23 8 …        V, the vocabulary's size, stands in front of each document
 *
 * Private to src/ngram. */
#ifndef QN_NGRAM_TOKEN_STREAM_H
#define QN_NGRAM_TOKEN_STREAM_H

#include "base/base.h"

typedef struct {
    uint32_t *id;
    size_t n, cap;
    int64_t vocab, documents;
    bool inside;                        /* a document has begun and may go on */
} qn_token_stream;

/* n more ids of the document under way; a new one begins where there is none. There is room for n + 1 (the caller knows
 * its limits). QN_EINVAL, and nothing is added: an id outside the vocabulary. */
QN_INLINE int qn_token_stream_put(qn_token_stream *s, const int32_t *ids, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= s->vocab)
            return qn_fail(QN_EINVAL, "id %d is outside the vocabulary of %lld", (int)ids[i], (long long)s->vocab);
    if (n > 0 && !s->inside) {
        s->id[s->n++] = (uint32_t)s->vocab;
        s->documents++;
        s->inside = true;
    }
    for (int64_t i = 0; i < n; i++)
        s->id[s->n++] = (uint32_t)ids[i];
    return 0;
}

#endif
