/* world/corpus_write.c — documents in tiles of fixed size, tile by tile on the pool, written in order. */
#include "world/corpus_write.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
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
    int64_t wave;                       /* first tile of this one */
    qn_out_file text;
    bool open;
    qn_buf path;
} writer;

static void write_tile(void *arg, int64_t tile, int worker) {
    writer *wr = arg;
    qn_gen *g = &wr->gen[tile];
    (void)worker;
    const int64_t first = (wr->wave + tile) * TILE, last = QN_MIN(first + TILE, wr->plan->n_docs);
    qn_buf_clear(&g->out);
    g->n_mentions = 0;
    for (int64_t i = first; i < last && g->rc == 0; i++) {
        qn_plan_write(wr->plan, g, i);
        qn_gen_puts(g, QN_WORLD_SEPARATOR "\n");
        g->class_at = g->out.n;
    }
}

static int open_part(writer *wr) {
    char name[32];
    snprintf(name, sizeof name, "corpus/part-%04d.txt", (int)wr->r->files++);
    QN_TRY(qn_path_join(&wr->path, wr->o->out, name));
    QN_TRY(qn_out_open(&wr->text, wr->path.s));
    wr->open = true;
    return 0;
}

static int close_part(writer *wr) {
    if (!wr->open)
        return 0;
    wr->open = false;
    return qn_out_commit(&wr->text);
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

int qn_corpus_write(const qn_world *w, const qn_plan *plan, qn_pool *pool, const qn_corpus_write_options *o,
                    qn_corpus_written *r) {
    writer *wr = qn_zalloc(QN_MEM_BASE, 1, sizeof *wr);
    int rc = 0;
    *r = (qn_corpus_written){.documents = plan->n_docs};
    if (!wr)
        return QN_ENOMEM;
    wr->w = w;
    wr->plan = plan;
    wr->o = o;
    wr->r = r;
    r->mentions_of = qn_zalloc(QN_MEM_BASE, (size_t)qn_fact_ids(w), sizeof *r->mentions_of);
    r->forms_of = qn_zalloc(QN_MEM_BASE, (size_t)qn_fact_ids(w), sizeof *r->forms_of);
    QN_TRY_OUT(r->mentions_of && r->forms_of ? 0 : QN_ENOMEM);
    for (int i = 0; i < WAVE; i++)
        QN_TRY_OUT(qn_gen_init(&wr->gen[i], w));
    QN_TRY_OUT(qn_path_join(&wr->path, o->out, "corpus"));
    QN_TRY_OUT(qn_dir_make(wr->path.s));
    QN_TRY_OUT(write_corpus(wr, pool));
    rc = write_facts(wr);
out:
    for (int i = 0; i < WAVE; i++) {
        for (int c = 0; c < QN_CLASSES; c++)
            r->class_bytes[c] += wr->gen[i].class_bytes[c];
        qn_gen_drop(&wr->gen[i]);
    }
    qn_out_drop(&wr->text);
    qn_buf_drop(&wr->path);
    qn_free(wr);
    return rc;
}

void qn_corpus_written_drop(qn_corpus_written *r) {
    qn_free(r->mentions_of);
    qn_free(r->forms_of);
    *r = (qn_corpus_written){0};
}
