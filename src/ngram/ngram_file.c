/* ngram/ngram_file.c — the tables as one file, mapped and read where they lie.
 *
 *      0  "QNNGRAMS"                       8   u32 version 1          12  u32 order
 *     16  u64 vocabulary: ids are below   24   u64 tokens             32  u64 documents
 *     40  u64 checksum of what follows the header                     48  u64 0     56  u64 checksum of bytes 0 … 55
 *     64  for each length of context: u64 contexts, u64 n-grams, f64 D₁, D₂, D₃
 *      …  for each length of context, as u32: token, child, gram, total, n1, n2, word, count (ngram_impl.h)
 *
 * Everything is little-endian. The checksum is qn_hash_bytes over blocks of 64 KiB, each seeded with the one before. */
#include "ngram/ngram_impl.h"

#include <string.h>

#define MAGIC "QNNGRAMS"
#define VERSION 1
#define HEADER 64
#define ROW 40
#define BLOCK ((size_t)64 << 10)
#define VOCAB_MAX ((uint64_t)1 << 24)

static void put(unsigned char *at, const void *v, size_t n) { memcpy(at, v, n); }

static uint64_t get_u64(const char *at) {
    uint64_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

static uint32_t get_u32(const char *at) {
    uint32_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

/* ---- writing ---- */

/* Bytes on their way to the file and into the checksum, a block at a time. */
typedef struct { qn_out_file file; uint64_t sum; size_t n; unsigned char block[BLOCK]; } sink;

static int flush(sink *s) {
    if (s->n == 0)
        return 0;
    s->sum = qn_hash_bytes(s->block, s->n, s->sum);
    QN_TRY(qn_out_write(&s->file, s->block, s->n));
    s->n = 0;
    return 0;
}

static int sink_put(sink *s, const void *bytes, size_t n) {
    const unsigned char *from = bytes;
    while (n > 0) {
        const size_t part = QN_MIN(n, BLOCK - s->n);
        memcpy(s->block + s->n, from, part);
        s->n += part;
        from += part;
        n -= part;
        if (s->n == BLOCK)
            QN_TRY(flush(s));
    }
    return 0;
}

static void fill_header(unsigned char h[HEADER], const qn_ngram *g, uint64_t sum) {
    const uint32_t version = VERSION, order = (uint32_t)g->order;
    const uint64_t numbers[] = {(uint64_t)g->vocab, (uint64_t)g->tokens, (uint64_t)g->documents, sum, 0};
    memcpy(h, MAGIC, 8);
    put(h + 8, &version, 4);
    put(h + 12, &order, 4);
    for (size_t i = 0; i < QN_LEN(numbers); i++)
        put(h + 16 + 8 * i, &numbers[i], 8);
    const uint64_t own = qn_hash_bytes(h, 56, 0);
    put(h + 56, &own, 8);
}

static int put_rows(sink *s, const qn_ngram *g) {
    for (int d = 0; d < g->order; d++) {
        const qn_ngram_level *l = &g->level[d];
        const uint64_t numbers[] = {(uint64_t)l->nodes, (uint64_t)l->grams};
        QN_TRY(sink_put(s, numbers, sizeof numbers));
        QN_TRY(sink_put(s, l->discount, sizeof l->discount));
    }
    return 0;
}

static int put_tables(sink *s, const qn_ngram *g) {
    for (int d = 0; d < g->order; d++) {
        qn_ngram_level l = g->level[d];
        for (int table = 0; table < QN_NGRAM_TABLES; table++)
            QN_TRY(sink_put(s, *qn_ngram_table(&l, table), 4 * (size_t)qn_ngram_table_length(&l, table)));
    }
    return 0;
}

static int write_all(sink *s, const qn_ngram *g, const char *path) {
    unsigned char header[HEADER] = {0};
    QN_TRY(qn_out_open(&s->file, path));
    QN_TRY(qn_out_write(&s->file, header, sizeof header));
    QN_TRY(put_rows(s, g));
    QN_TRY(put_tables(s, g));
    QN_TRY(flush(s));
    fill_header(header, g, s->sum);
    QN_TRY(qn_out_patch(&s->file, 0, header, sizeof header));
    return qn_out_commit(&s->file);
}

int qn_ngram_write(const qn_ngram *g, const char *path) {
    sink *s = qn_zalloc(QN_MEM_SCRATCH, 1, sizeof *s);
    if (!s)
        return QN_ENOMEM;
    const int rc = write_all(s, g, path);
    qn_out_drop(&s->file);
    qn_free(s);
    return rc;
}

/* ---- reading ---- */

static int parse_header(qn_ngram *g, const char *bytes, size_t n, const char *name) {
    if (n < HEADER || memcmp(bytes, MAGIC, 8) != 0)
        return qn_fail(QN_EFORMAT, "%s: no file of n-grams: it does not begin with \"" MAGIC "\"", name);
    if (get_u32(bytes + 8) != VERSION)
        return qn_fail(QN_EFORMAT, "%s: version %u, this program reads %d", name, get_u32(bytes + 8), VERSION);
    if (get_u64(bytes + 56) != qn_hash_bytes(bytes, 56, 0))
        return qn_fail(QN_EFORMAT, "%s: the header is damaged: its checksum is another one", name);
    const uint32_t order = get_u32(bytes + 12);
    const uint64_t vocab = get_u64(bytes + 16), tokens = get_u64(bytes + 24), documents = get_u64(bytes + 32);
    if (order < 1 || order > QN_NGRAM_MAX_ORDER || vocab < 1 || vocab > VOCAB_MAX || tokens > UINT32_MAX ||
        documents > tokens)
        return qn_fail(QN_EFORMAT, "%s: order %u, vocabulary %llu, %llu tokens in %llu documents: out of range", name,
                       order, (unsigned long long)vocab, (unsigned long long)tokens, (unsigned long long)documents);
    g->order = (int)order;
    g->vocab = (int64_t)vocab;
    g->tokens = (int64_t)tokens;
    g->documents = (int64_t)documents;
    return 0;
}

/* Each table's place, and that all of them together are the file. */
static int place_tables(qn_ngram *g, const char *bytes, size_t n, const char *name) {
    size_t at = HEADER + (size_t)g->order * ROW;
    if (n < at)
        return qn_fail(QN_ETRUNC, "%s: ends inside its header", name);
    for (int d = 0; d < g->order; d++) {
        qn_ngram_level *l = &g->level[d];
        const char *row = bytes + HEADER + (size_t)d * ROW;
        const uint64_t nodes = get_u64(row), grams = get_u64(row + 8);
        memcpy(l->discount, row + 16, sizeof l->discount);
        if (nodes > (uint64_t)g->tokens + 1 || grams > (uint64_t)g->tokens || (d == 0 && nodes != 1))
            return qn_fail(QN_EFORMAT, "%s: %llu contexts of length %d out of %lld tokens", name,
                           (unsigned long long)nodes, d, (long long)g->tokens);
        for (int k = 0; k < 3; k++)
            if (!(l->discount[k] >= 0 && l->discount[k] <= k + 1))
                return qn_fail(QN_EFORMAT, "%s: discount %d of contexts of length %d is %g, not within 0 … %d", name,
                               k + 1, d, l->discount[k], k + 1);
        l->nodes = (int64_t)nodes;
        l->grams = (int64_t)grams;
        for (int table = 0; table < QN_NGRAM_TABLES; table++) {
            const size_t length = 4 * (size_t)qn_ngram_table_length(l, table);
            if (length > n - at)
                return qn_fail(QN_ETRUNC, "%s: ends inside its tables", name);
            *qn_ngram_table(l, table) = (const uint32_t *)(const void *)(bytes + at);
            at += length;
        }
    }
    return at == n ? 0 : qn_fail(QN_EFORMAT, "%s: %zu bytes behind its tables", name, n - at);
}

static int check_sum(const char *bytes, size_t n, const char *name) {
    uint64_t sum = 0;
    for (size_t at = HEADER; at < n; at += BLOCK)
        sum = qn_hash_bytes(bytes + at, QN_MIN(BLOCK, n - at), sum);
    return sum == get_u64(bytes + 40) ? 0 : qn_fail(QN_EFORMAT, "%s: damaged: its checksum is another one", name);
}

/* begin[0 … n] rises from 0 to `end`. */
static bool rises(const uint32_t *begin, int64_t n, int64_t end) {
    for (int64_t i = 0; i < n; i++)
        if (begin[i] > begin[i + 1])
            return false;
    return begin[0] == 0 && begin[n] == end;
}

/* v[from … to) ascends strictly and stays below the limit. */
static bool ascends(const uint32_t *v, uint32_t from, uint32_t to, int64_t limit) {
    for (uint32_t i = from; i + 1 < to; i++)
        if (v[i] >= v[i + 1])
            return false;
    return from == to || v[to - 1] < limit;
}

/* A context's words, and that its sums are those of its counts. */
static bool context_is_right(const qn_ngram_level *l, int64_t at, int64_t vocab) {
    const uint32_t from = l->gram[at], to = l->gram[at + 1];
    uint64_t total = 0;
    uint32_t number[3] = {0};
    for (uint32_t i = from; i < to; i++) {
        if (l->count[i] == 0)
            return false;
        total += l->count[i];
        number[QN_MIN(l->count[i], 3) - 1]++;
    }
    return from < to && ascends(l->word, from, to, vocab) && total == l->total[at] && number[0] == l->n1[at] &&
           number[1] == l->n2[at];
}

static bool level_is_right(const qn_ngram *g, int d) {
    const qn_ngram_level *l = &g->level[d];
    const int64_t children = d + 1 < g->order ? g->level[d + 1].nodes : 0;
    if (!rises(l->child, l->nodes, children) || !rises(l->gram, l->nodes, l->grams))
        return false;
    for (int64_t at = 0; at < l->nodes; at++) {
        if (!context_is_right(l, at, g->vocab))
            return false;
        if (children && !ascends(g->level[d + 1].token, l->child[at], l->child[at + 1], g->vocab + 1))
            return false;
    }
    return true;
}

static int parse(qn_ngram *g, const char *bytes, size_t n, const char *name) {
    QN_TRY(parse_header(g, bytes, n, name));
    QN_TRY(place_tables(g, bytes, n, name));
    QN_TRY(check_sum(bytes, n, name));
    for (int d = 0; d < g->order; d++)
        if (!level_is_right(g, d))
            return qn_fail(QN_EFORMAT, "%s: the contexts of length %d do not fit together", name, d);
    return 0;
}

int qn_ngram_parse(qn_ngram **out, const char *bytes, size_t n, const char *name) {
    *out = NULL;
    qn_ngram *g = qn_zalloc(QN_MEM_MODEL, 1, sizeof *g);
    if (!g)
        return QN_ENOMEM;
    const int rc = parse(g, bytes, n, name);
    if (rc < 0) {
        qn_ngram_free(g);
        return rc;
    }
    *out = g;
    return 0;
}

int qn_ngram_open(qn_ngram **out, const char *path) {
    qn_map_file file;
    *out = NULL;
    QN_TRY(qn_map_open(&file, path));
    const int rc = qn_ngram_parse(out, file.s, file.n, path);
    if (rc < 0)
        qn_map_close(&file);
    else
        (*out)->file = file;
    return rc;
}
