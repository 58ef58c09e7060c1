/* world/corpus_write.c — documents in tiles of fixed size, tile by tile on the pool, written in order. */
#include "world/corpus_write.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "world/sidecar.h"
#include "world/world_files.h"

#define TILE 128                        /* documents */
#define WAVE 16                         /* tiles between two writes */
#define PART ((uint64_t)4 << 20)        /* a file is full behind this many bytes */

typedef struct {
    const qn_world *w;
    const qn_plan *plan;
    const qn_corpus_write_options *o;
    qn_corpus_written *r;
    qn_gen gen[WAVE];                   /* one a tile */
    qn_sidecar_document doc[WAVE][TILE];
    int64_t wave;                       /* first tile of this one */
    qn_out_file text, sidecar;
    bool open;
    int32_t *said;                      /* [qn_fact_ids]: mentions so far, for the sidecar */
    char name[32];                      /* of the open part */
    qn_buf path, lines;
} writer;

static void write_tile(void *arg, int64_t tile, int worker) {
    writer *wr = arg;
    qn_gen *g = &wr->gen[tile];
    (void)worker;
    const int64_t first = (wr->wave + tile) * TILE, last = QN_MIN(first + TILE, wr->plan->n_docs);
    qn_buf_clear(&g->out);
    g->n_mentions = g->n_spans = 0;
    for (int64_t i = first; i < last && g->rc == 0; i++) {
        qn_plan_write(wr->plan, g, i);
        wr->doc[tile][i - first] = (qn_sidecar_document){
            .genre = qn_doc_kinds[wr->plan->doc[i].kind].rule, .document = i, .text = g->begin, .end = g->out.n - 1,
            .first = g->first_span, .n = g->n_spans - g->first_span};
        qn_gen_puts(g, QN_WORLD_SEPARATOR "\n");
    }
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static int open_file(writer *wr, qn_out_file *f, const char *folder, const char *end) {
    char name[64];
    snprintf(name, sizeof name, "%s/part-%04d.%s", folder, (int)wr->r->files, end);
    QN_TRY(qn_path_join(&wr->path, wr->o->out, name));
    return qn_out_open(f, wr->path.s);
}

static int open_part(writer *wr) {
    QN_TRY(open_file(wr, &wr->text, "corpus", "txt"));
    wr->open = true;
    snprintf(wr->name, sizeof wr->name, "corpus/part-%04d.txt", (int)wr->r->files);
    if (wr->o->sidecar)
        QN_TRY(open_file(wr, &wr->sidecar, "sidecar", "jsonl"));
    wr->r->files++;
    return 0;
}

static int close_part(writer *wr) {
    if (!wr->open)
        return 0;
    wr->open = false;
    QN_TRY(qn_out_commit(&wr->text));
    return wr->o->sidecar ? qn_out_commit(&wr->sidecar) : 0;
}

static int put_sidecar(writer *wr, const qn_gen *g, int64_t tile, int64_t docs) {
    qn_buf_clear(&wr->lines);
    for (int64_t i = 0; i < docs; i++) {
        qn_sidecar_document *d = &wr->doc[tile][i];
        double bits;
        d->file = wr->name;
        d->begin = (int64_t)(wr->text.written + d->text);
        QN_TRY(qn_sidecar_put(g, d, wr->said, &wr->lines, &bits));
        wr->r->bits += bits;
    }
    return qn_out_write(&wr->sidecar, wr->lines.s, wr->lines.n);
}

static void count(writer *wr, const qn_gen *g) {
    for (size_t i = 0; i < g->n_mentions; i++) {
        const qn_mention *m = &g->mention[i];
        wr->r->mentions_of[m->fact]++;
        if (m->form >= 0)
            wr->r->forms_of[m->fact] |= (uint16_t)(1u << m->form);
        wr->r->mentions += m->form >= 0;
    }
}

static int put_wave(writer *wr, int64_t tiles) {
    for (int64_t t = 0; t < tiles; t++) {
        qn_gen *g = &wr->gen[t];
        QN_TRY(g->rc);
        if (!wr->open)
            QN_TRY(open_part(wr));
        if (wr->o->sidecar)
            QN_TRY(put_sidecar(wr, g, t, QN_MIN(TILE, wr->plan->n_docs - (wr->wave + t) * TILE)));
        QN_TRY(qn_out_write(&wr->text, g->out.s, g->out.n));
        wr->r->bytes += (int64_t)g->out.n;
        count(wr, g);
        if (wr->text.written >= PART)
            QN_TRY(close_part(wr));
    }
    return 0;
}

static int write_corpus(writer *wr, qn_pool *pool) {
    const int64_t tiles = (wr->plan->n_docs + TILE - 1) / TILE;
    for (wr->wave = 0; wr->wave < tiles; wr->wave += WAVE) {
        const int64_t n = QN_MIN(WAVE, tiles - wr->wave);
        qn_parallel(pool, n, write_tile, wr);
        QN_TRY(put_wave(wr, n));
        if (wr->o->progress)
            QN_TRY(wr->o->progress(wr->o->arg, QN_MIN((wr->wave + n) * TILE, wr->plan->n_docs), wr->plan->n_docs));
    }
    return close_part(wr);
}

static int write_facts(writer *wr) {
    qn_buf text = {0};
    int rc = qn_world_put_facts(wr->w, wr->r->mentions_of, wr->r->forms_of, &text);
    if (rc >= 0)
        rc = qn_path_join(&wr->path, wr->o->out, "facts.jsonl");
    if (rc >= 0)
        rc = qn_write_file(wr->path.s, text.s, text.n);
    qn_buf_drop(&text);
    return rc;
}

/* Every fact as often as it was to be told: a mistake of ours otherwise. */
static int check_mentions(const writer *wr) {
    for (int64_t i = 0; i < wr->w->people * wr->w->relations; i++)
        if (wr->r->mentions_of[i] != wr->w->fact[i].mentions)
            return qn_fail(QN_ETEST, "fact %lld was told %d times in place of %d", (long long)i,
                           (int)wr->r->mentions_of[i], (int)wr->w->fact[i].mentions);
    return 0;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static int make_folder(writer *wr, const char *name) {
    QN_TRY(qn_path_join(&wr->path, wr->o->out, name));
    return qn_dir_make(wr->path.s);
}

static int set_up(writer *wr) {
    const size_t facts = (size_t)qn_fact_ids(wr->w);
    wr->r->mentions_of = qn_zalloc(QN_MEM_BASE, facts, sizeof *wr->r->mentions_of);
    wr->r->forms_of = qn_zalloc(QN_MEM_BASE, facts, sizeof *wr->r->forms_of);
    wr->said = qn_zalloc(QN_MEM_BASE, facts, sizeof *wr->said);
    if (!wr->r->mentions_of || !wr->r->forms_of || !wr->said)
        return QN_ENOMEM;
    for (int i = 0; i < WAVE; i++) {
        QN_TRY(qn_gen_init(&wr->gen[i], wr->w));
        wr->gen[i].traced = wr->o->sidecar;
    }
    QN_TRY(make_folder(wr, "corpus"));
    return wr->o->sidecar ? make_folder(wr, "sidecar") : 0;
}

int qn_corpus_write(const qn_world *w, const qn_plan *plan, qn_pool *pool, const qn_corpus_write_options *o,
                    qn_corpus_written *r) {
    writer *wr = qn_zalloc(QN_MEM_BASE, 1, sizeof *wr);
    int rc;
    *r = (qn_corpus_written){.documents = plan->n_docs};
    if (!wr)
        return QN_ENOMEM;
    wr->w = w;
    wr->plan = plan;
    wr->o = o;
    wr->r = r;
    QN_TRY_OUT(set_up(wr));
    QN_TRY_OUT(write_corpus(wr, pool));
    QN_TRY_OUT(check_mentions(wr));
    rc = write_facts(wr);
out:
    for (int i = 0; i < WAVE; i++) {
        for (int c = 0; c < QN_CLASSES; c++)
            r->class_bytes[c] += wr->gen[i].class_bytes[c];
        qn_gen_drop(&wr->gen[i]);
    }
    qn_out_drop(&wr->text);
    qn_out_drop(&wr->sidecar);
    qn_buf_drop(&wr->path);
    qn_buf_drop(&wr->lines);
    qn_free(wr->said);
    qn_free(wr);
    return rc;
}

void qn_corpus_written_drop(qn_corpus_written *r) {
    qn_free(r->mentions_of);
    qn_free(r->forms_of);
    *r = (qn_corpus_written){0};
}
