/* world/name_check.c — token counts of names, under a given tokenizer or one trained on the corpus. */
#include "world/name_check.h"

#include "base/dir.h"
#include "base/file.h"
#include "tok/train_tokenizer.h"

enum { NAMES_MOST = 2000 };
#define TRAIN_BYTES ((size_t)8 << 20)

/* Tokens of a name as it stands inside a sentence: with the blank before it. */
static int count_tokens(const qn_tok *tok, qn_buf *name, qn_ids *ids, int32_t *out, double *sum) {
    qn_ids_clear(ids);
    QN_TRY(qn_tok_encode(tok, name->s, name->n, QN_TOK_PLAIN, ids));
    *out = (int32_t)ids->n;
    *sum += (double)ids->n;
    return 0;
}

typedef struct { int32_t *known, *unknown; qn_buf name; qn_ids ids; } counts;

static int count_known(const qn_world *w, const qn_tok *tok, counts *c, qn_name_check *out) {
    out->n_known = QN_MIN(w->people, NAMES_MOST);
    for (int64_t i = 0; i < out->n_known; i++) {
        const qn_str name = w->person[i * w->people / out->n_known].name;
        qn_buf_clear(&c->name);
        QN_TRY(qn_buf_putc(&c->name, ' '));
        QN_TRY(qn_buf_put(&c->name, name.s, name.n));
        QN_TRY(count_tokens(tok, &c->name, &c->ids, &c->known[i], &out->known));
    }
    out->known /= (double)out->n_known;
    return 0;
}

/* Evaluation's strangers, known and new parts by turns. */
static int count_unknown(const qn_world *w, const qn_tok *tok, counts *c, qn_name_check *out) {
    const int64_t mixed = qn_world_unknowns(w, QN_UNKNOWN_MIXED), fresh = qn_world_unknowns(w, QN_UNKNOWN_NEW);
    out->n_unknown = QN_MIN(2 * QN_MIN(mixed, fresh), NAMES_MOST);
    for (int64_t i = 0; i < out->n_unknown; i++) {
        qn_buf_clear(&c->name);
        QN_TRY(qn_buf_putc(&c->name, ' '));
        QN_TRY(qn_name_put(w, qn_world_unknown(w, i & 1 ? QN_UNKNOWN_NEW : QN_UNKNOWN_MIXED, true, i / 2), &c->name));
        QN_TRY(count_tokens(tok, &c->name, &c->ids, &c->unknown[i], &out->unknown));
    }
    out->unknown /= (double)out->n_unknown;
    return 0;
}

int qn_name_check_with(const qn_world *w, const qn_tok *tok, qn_name_check *out) {
    counts c = {.known = qn_zalloc(QN_MEM_SCRATCH, NAMES_MOST, sizeof *c.known),
                .unknown = qn_zalloc(QN_MEM_SCRATCH, NAMES_MOST, sizeof *c.unknown)};
    int rc = c.known && c.unknown ? 0 : QN_ENOMEM;
    *out = (qn_name_check){0};
    if (rc == 0)
        rc = count_known(w, tok, &c, out);
    if (rc == 0)
        rc = count_unknown(w, tok, &c, out);
    if (rc == 0)
        rc = qn_ks_test(c.known, out->n_known, c.unknown, out->n_unknown, &out->alike);
    qn_free(c.known);
    qn_free(c.unknown);
    qn_buf_drop(&c.name);
    qn_ids_drop(&c.ids);
    return rc;
}

/* ---- a tokenizer of the corpus ----------------------------------------------------------------------------------- */

/* Files in the order of their names, until there is enough. The last one is cut at the end of a line. */
static int add_text(qn_words *words, const char *folder, const qn_dir_names *files) {
    size_t left = TRAIN_BYTES;
    qn_buf path = {0};
    int rc = 0;
    for (size_t i = 0; i < files->n && left && rc == 0; i++) {
        qn_map_file map;
        QN_TRY_OUT(qn_path_join(&path, folder, files->name[i]));
        QN_TRY_OUT(qn_map_open(&map, path.s));
        size_t n = QN_MIN(map.n, left);
        while (n && map.s[n - 1] != '\n')
            n--;
        rc = qn_words_add(words, map.s, n);
        if (rc == 0)
            rc = qn_words_end(words);
        left -= n == map.n ? n : left;
        qn_map_close(&map);
    }
out:
    qn_buf_drop(&path);
    return rc;
}

static int train(qn_words *words, int64_t vocab, qn_tok **out) {
    qn_tok_spec spec;
    qn_tok_train_result result;
    qn_tok_spec_init(&spec);
    int rc = qn_tok_train(&spec, words, &(qn_tok_train_options){.kind = QN_TRAIN_BPE, .vocab = vocab}, &result);
    if (rc == 0)
        rc = qn_tok_new(out, &spec);
    qn_tok_spec_drop(&spec);
    return rc;
}

int qn_name_check_corpus(const qn_world *w, const char *folder, int64_t vocab, qn_pool *pool, qn_name_check *out) {
    qn_dir_names files = {0};
    qn_words *words = NULL;
    qn_tok *tok = NULL;
    int rc;
    QN_TRY_OUT(qn_dir_list(&files, folder));
    QN_TRY_OUT(qn_words_new(&words, &(qn_words_options){.pool = pool}));
    QN_TRY_OUT(add_text(words, folder, &files));
    QN_TRY_OUT(qn_words_finish(words));
    QN_TRY_OUT(train(words, vocab, &tok));
    rc = qn_name_check_with(w, tok, out);
out:
    qn_tok_free(tok);
    qn_words_free(words);
    qn_dir_names_drop(&files);
    return rc;
}
