/* data/examples_store.c — examples in one file, as they lie in memory.
 *
 *      0  "QNEXAMPL"          8  u32 version 1      12  u32 form
 *     16  u64 items          24  u64 tokens         32  u64 vocabulary      40  u64 context
 *     48  u64 checksum of what follows the header   56  u64 checksum of bytes 0 … 55
 *     64  items, 11 × i64 each: two parts (from, tokens, prompt), parts, good, split, file, row
 *      …  ids, i32 each      …  one byte for each: is it taught     …  u16 for each id of the vocabulary: its bytes
 *
 * Little-endian. */
#include <string.h>

#include "base/file.h"
#include "data/examples_impl.h"

enum { HEADER = 64, VERSION = 1 };

typedef struct { uint64_t items, tokens, vocab, context; } sizes;

static uint64_t body_bytes(const sizes *s) {
    return s->items * sizeof(qn_example_item) + s->tokens * (sizeof(int32_t) + 1) + s->vocab * sizeof(uint16_t);
}

static int put_all(const qn_examples *e, qn_buf *out) {
    QN_TRY(qn_buf_put(out, e->item, e->n * sizeof *e->item));
    QN_TRY(qn_buf_put(out, e->ids, e->tokens * sizeof *e->ids));
    QN_TRY(qn_buf_put(out, e->taught, e->tokens));
    return qn_buf_put(out, e->token_bytes, (size_t)e->vocab * sizeof *e->token_bytes);
}

int qn_examples_save(const qn_examples *e, const char *path) {
    const sizes s = {e->n, e->tokens, (uint64_t)e->vocab, (uint64_t)e->context};
    const uint32_t word[2] = {VERSION, (uint32_t)e->stats.form};
    char head[HEADER] = "QNEXAMPL";
    qn_buf all = {0};
    int rc;
    QN_TRY_OUT(qn_buf_put(&all, head, HEADER));
    QN_TRY_OUT(put_all(e, &all));
    uint64_t sum = qn_hash_bytes(all.s + HEADER, all.n - HEADER, 0);
    memcpy(head + 8, word, sizeof word);
    memcpy(head + 16, &s, sizeof s);
    memcpy(head + 48, &sum, sizeof sum);
    sum = qn_hash_bytes(head, 56, 0);
    memcpy(head + 56, &sum, sizeof sum);
    memcpy(all.s, head, HEADER);
    rc = qn_write_file(path, all.s, all.n);
out:
    qn_buf_drop(&all);
    return rc;
}

static int read_header(const qn_map_file *f, const char *path, sizes *s, uint32_t *form) {
    uint32_t word[2];
    uint64_t sum[2];
    if (f->n < HEADER || memcmp(f->s, "QNEXAMPL", 8) != 0)
        return qn_fail(QN_EFORMAT, "%s: no file of examples", path);
    memcpy(word, f->s + 8, sizeof word);
    memcpy(s, f->s + 16, sizeof *s);
    memcpy(sum, f->s + 48, sizeof sum);
    if (word[0] != VERSION)
        return qn_fail(QN_EUNSUPPORTED, "%s: version %u; this build reads %d", path, word[0], VERSION);
    const uint64_t most = UINT64_C(1) << 40;
    if (qn_hash_bytes(f->s, 56, 0) != sum[1] || s->items > most || s->tokens > most || s->vocab > most ||
        word[1] == 0 || word[1] >= QN_FORMS)
        return qn_fail(QN_EFORMAT, "%s: its header is damaged", path);
    if (f->n - HEADER != body_bytes(s))
        return qn_fail(QN_ETRUNC, "%s: %zu bytes, expected %llu", path, f->n,
                       (unsigned long long)(body_bytes(s) + HEADER));
    if (qn_hash_bytes(f->s + HEADER, f->n - HEADER, 0) != sum[0])
        return qn_fail(QN_EFORMAT, "%s: is damaged: its checksum is another one", path);
    *form = word[1];
    return 0;
}

/* A checksum says what was written, not that it makes sense. */
static int check(const qn_examples *e, const char *path) {
    bool good = e->context >= 2;
    for (size_t i = 0; i < e->n && good; i++) {
        const qn_example_item *it = &e->item[i];
        good = it->parts >= 1 && it->parts <= 2 && it->split >= 0 && it->split < QN_SPLITS;
        for (int64_t k = 0; good && k < it->parts; k++) {
            const qn_example_at *p = &it->part[k];
            good = p->n >= 2 && p->n <= e->context + 1 && p->from >= 0 && p->from <= (int64_t)e->tokens - p->n &&
                   p->prompt >= 1 && p->prompt < p->n;
        }
    }
    for (size_t i = 0; i < e->tokens && good; i++)
        good = e->ids[i] >= 0 && e->ids[i] < e->vocab && e->taught[i] <= 1;
    return good ? 0 : qn_fail(QN_EFORMAT, "%s: its examples do not fit together", path);
}

static void *copied(const char **at, size_t bytes) {
    void *to = qn_zalloc(QN_MEM_BASE, bytes + 1, 1);
    if (to)
        memcpy(to, *at, bytes);
    *at += bytes;
    return to;
}

static int take_all(qn_examples *e, const qn_map_file *f, const sizes *s, const char *path) {
    const char *at = f->s + HEADER;
    e->n = s->items;
    e->tokens = s->tokens;
    e->vocab = (int64_t)s->vocab;
    e->context = (int64_t)s->context;
    e->item = copied(&at, e->n * sizeof *e->item);
    e->ids = copied(&at, e->tokens * sizeof *e->ids);
    e->taught = copied(&at, e->tokens);
    e->token_bytes = copied(&at, s->vocab * sizeof *e->token_bytes);
    if (!e->item || !e->ids || !e->taught || !e->token_bytes)
        return QN_ENOMEM;
    QN_TRY(check(e, path));
    return qn_examples_settle(e);
}

int qn_examples_open(qn_examples **out, const char *path) {
    qn_map_file f;
    sizes s;
    uint32_t form = 0;
    *out = NULL;
    QN_TRY(qn_map_open(&f, path));
    qn_examples *e = qn_zalloc(QN_MEM_BASE, 1, sizeof *e);
    int rc = e ? read_header(&f, path, &s, &form) : QN_ENOMEM;
    if (rc >= 0)
        rc = take_all(e, &f, &s, path);
    qn_map_close(&f);
    if (rc < 0) {
        qn_examples_free(e);
        return rc;
    }
    e->stats.form = (qn_example_form)form;
    *out = e;
    return 0;
}
