/* data/shard.c — the file of tokens: written from front to back with the header last, read as a map. */
#include "data/shard.h"

#include <string.h>

enum { GATHER = 1 << 20 };                          /* bytes per write */

static const char magic[8] = {'Q', 'N', 'T', 'O', 'K', 'E', 'N', 'S'};

typedef struct {
    char magic[8];
    uint32_t version, width;
    uint64_t tokens, ends, vocab, checksum, zero, header_checksum;
} header;
_Static_assert(sizeof(header) == QN_SHARD_HEADER, "the header is what the file says");

void qn_shard_sum_put(qn_shard_sum *s, const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    while (n) {
        size_t k = QN_MIN(n, sizeof s->block - s->n);
        memcpy(s->block + s->n, p, k);
        s->n += k;
        p += k;
        n -= k;
        if (s->n == sizeof s->block) {
            s->h = qn_hash_bytes(s->block, s->n, s->h);
            s->n = 0;
        }
    }
}

uint64_t qn_shard_sum_end(qn_shard_sum *s) {
    return s->n ? qn_hash_bytes(s->block, s->n, s->h) : s->h;
}

static uint64_t header_sum(const header *h) { return qn_hash_bytes(h, offsetof(header, header_checksum), 0); }

static uint64_t ids_bytes(uint64_t tokens, uint32_t width) { return (tokens * width + 7) / 8 * 8; }

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static int check_header(const header *h, size_t n, const char *name) {
    if (memcmp(h->magic, magic, sizeof magic) != 0)
        return qn_fail(QN_EFORMAT, "%s is no file of tokens: it does not begin with QNTOKENS", name);
    if (h->version != QN_SHARD_VERSION)
        return qn_fail(QN_EUNSUPPORTED, "%s: version %u of the format, this build reads %d; prepare the data again",
                       name, h->version, QN_SHARD_VERSION);
    if (h->header_checksum != header_sum(h))
        return qn_fail(QN_EFORMAT, "%s: the header is damaged: its checksum does not fit", name);
    if ((h->width != 2 && h->width != 4) || h->vocab == 0 || h->vocab > INT32_MAX ||
        (h->width == 2 && h->vocab > 65536))
        return qn_fail(QN_EFORMAT, "%s: ids of %u bytes for a vocabulary of %llu", name, h->width,
                       (unsigned long long)h->vocab);
    if (h->tokens > UINT32_MAX || h->ends > h->tokens)
        return qn_fail(QN_EFORMAT, "%s: %llu document ends in %llu tokens cannot be", name, (unsigned long long)h->ends,
                       (unsigned long long)h->tokens);
    uint64_t want = QN_SHARD_HEADER + ids_bytes(h->tokens, h->width) + 4 * h->ends;
    if (n != want)
        return qn_fail(n < want ? QN_ETRUNC : QN_EFORMAT, "%s: %zu bytes, its header announces %llu", name, n,
                       (unsigned long long)want);
    return 0;
}

int qn_shard_parse(qn_shard *s, const char *bytes, size_t n, const char *name) {
    header h;
    if (n < sizeof h)
        return qn_fail(QN_ETRUNC, "%s: %zu bytes are too few for a file of tokens", name, n);
    memcpy(&h, bytes, sizeof h);
    QN_TRY(check_header(&h, n, name));
    s->name = name;
    s->width = (int)h.width;
    s->tokens = (int64_t)h.tokens;
    s->ends = (int64_t)h.ends;
    s->vocab = (int64_t)h.vocab;
    s->checksum = h.checksum;
    s->ids = (const unsigned char *)bytes + QN_SHARD_HEADER;
    s->end = (const uint32_t *)(const void *)(s->ids + ids_bytes(h.tokens, h.width));
    uint32_t last = 0;
    for (int64_t i = 0; i < s->ends; i++) {
        if (s->end[i] <= last || s->end[i] > s->tokens)
            return qn_fail(QN_EFORMAT, "%s: document %lld ends at token %u, the one before at %u, all at %lld", name,
                           (long long)i, s->end[i], last, (long long)s->tokens);
        last = s->end[i];
    }
    return 0;
}

int qn_shard_open(qn_shard *s, const char *path) {
    *s = (qn_shard){0};
    QN_TRY(qn_map_open(&s->file, path));
    int rc = qn_shard_parse(s, s->file.s, s->file.n, s->file.path);
    if (rc < 0)
        qn_shard_close(s);
    return rc;
}

void qn_shard_close(qn_shard *s) {
    qn_map_close(&s->file);
    *s = (qn_shard){0};
}

static void copy_ids(const qn_shard *s, int64_t from, int64_t n, int32_t *out) {
    if (s->width == 4) {
        memcpy(out, s->ids + 4 * from, (size_t)n * 4);
        return;
    }
    const uint16_t *ids = (const uint16_t *)(const void *)s->ids + from;
    for (int64_t i = 0; i < n; i++)
        out[i] = ids[i];
}

static int check_ids(const qn_shard *s, int64_t from, int64_t n, const int32_t *id) {
    for (int64_t i = 0; i < n; i++)
        if (id[i] < 0 || id[i] >= s->vocab)
            return qn_fail(QN_EFORMAT, "%s: token %lld is %lld, but ids are below %lld; the file is damaged", s->name,
                           (long long)(from + i), (long long)(uint32_t)id[i], (long long)s->vocab);
    return 0;
}

int qn_shard_verify(const qn_shard *s) {
    int32_t id[4096];
    qn_shard_sum *sum = qn_zalloc(QN_MEM_BASE, 1, sizeof *sum);
    if (!sum)
        return QN_ENOMEM;
    qn_shard_sum_put(sum, s->ids, (size_t)((const unsigned char *)(s->end + s->ends) - s->ids));
    uint64_t got = qn_shard_sum_end(sum);
    qn_free(sum);
    if (got != s->checksum)
        return qn_fail(QN_EFORMAT, "%s: the checksum is %016llx, the header says %016llx; the file is damaged", s->name,
                       (unsigned long long)got, (unsigned long long)s->checksum);
    for (int64_t from = 0; from < s->tokens; from += (int64_t)QN_LEN(id)) {
        int64_t n = QN_MIN((int64_t)QN_LEN(id), s->tokens - from);
        copy_ids(s, from, n, id);
        QN_TRY(check_ids(s, from, n, id));
    }
    return 0;
}

int qn_shards_read(const qn_shard *shard, size_t n_shards, int64_t from, int64_t n, int32_t *out) {
    size_t lo = 0, hi = n_shards;                   /* the last shard that begins at or before `from` */
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        if (shard[mid].first <= from)
            lo = mid;
        else
            hi = mid;
    }
    for (const qn_shard *s = shard + lo; n > 0; s++) {
        qn_assert(s < shard + n_shards && from >= s->first);
        int64_t at = from - s->first, k = QN_MIN(n, s->tokens - at);
        copy_ids(s, at, k, out);
        QN_TRY(check_ids(s, at, k, out));
        from += k;
        out += k;
        n -= k;
    }
    return 0;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

int qn_shard_writer_open(qn_shard_writer *w, const char *path, int64_t vocab, int64_t bytes_max) {
    static const header none;
    *w = (qn_shard_writer){.width = vocab <= 65536 ? 2 : 4, .vocab = vocab, .bytes_max = bytes_max,
                             .file = {.fd = -1}};
    w->sum = qn_zalloc(QN_MEM_BASE, 1, sizeof *w->sum);
    if (!w->sum)
        return QN_ENOMEM;
    QN_TRY(qn_out_open(&w->file, path));
    return qn_out_write(&w->file, &none, sizeof none);
}

int64_t qn_shard_writer_room(const qn_shard_writer *w) {
    int64_t left = w->bytes_max - QN_SHARD_HEADER - w->tokens * w->width - 8 - 4 * (w->ends + 1);
    return left <= 0 ? 0 : left / w->width;
}

static int flush(qn_shard_writer *w) {
    qn_shard_sum_put(w->sum, w->gather.s, w->gather.n);
    int rc = w->gather.n ? qn_out_write(&w->file, w->gather.s, w->gather.n) : 0;
    qn_buf_clear(&w->gather);
    return rc;
}

int qn_shard_writer_put(qn_shard_writer *w, const int32_t *ids, int64_t n) {
    w->tokens += n;
    while (n > 0) {
        int64_t k = QN_MIN(n, (int64_t)(GATHER / 4));
        QN_TRY(qn_buf_reserve(&w->gather, (size_t)k * 4));
        char *to = w->gather.s + w->gather.n;
        for (int64_t i = 0; i < k; i++)
            memcpy(to + i * w->width, &ids[i], (size_t)w->width);           /* the low bytes come first */
        w->gather.n += (size_t)(k * w->width);
        if (w->gather.n >= GATHER)
            QN_TRY(flush(w));
        ids += k;
        n -= k;
    }
    return 0;
}

int qn_shard_writer_end(qn_shard_writer *w) {
    uint32_t at = (uint32_t)w->tokens;
    w->ends++;
    return qn_buf_put(&w->end, &at, sizeof at);
}

int qn_shard_writer_commit(qn_shard_writer *w, uint64_t *checksum) {
    static const char zeros[8];
    size_t pad = (size_t)(ids_bytes((uint64_t)w->tokens, (uint32_t)w->width) - (uint64_t)(w->tokens * w->width));
    QN_TRY(qn_buf_put(&w->gather, zeros, pad));
    QN_TRY(flush(w));
    if (w->end.n) {
        qn_shard_sum_put(w->sum, w->end.s, w->end.n);
        QN_TRY(qn_out_write(&w->file, w->end.s, w->end.n));
    }
    header h = {.version = QN_SHARD_VERSION, .width = (uint32_t)w->width, .tokens = (uint64_t)w->tokens,
                .ends = (uint64_t)w->ends, .vocab = (uint64_t)w->vocab, .checksum = qn_shard_sum_end(w->sum)};
    memcpy(h.magic, magic, sizeof magic);
    h.header_checksum = header_sum(&h);
    *checksum = h.checksum;
    QN_TRY(qn_out_patch(&w->file, 0, &h, sizeof h));
    return qn_out_commit(&w->file);
}

void qn_shard_writer_drop(qn_shard_writer *w) {
    if (w->sum)                                     /* {0} holds no file */
        qn_out_drop(&w->file);
    qn_buf_drop(&w->gather);
    qn_buf_drop(&w->end);
    qn_free(w->sum);
    *w = (qn_shard_writer){0};
}
