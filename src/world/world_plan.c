/* world/world_plan.c — appearances of people, dealt to documents; documents of other kinds by the bytes they bring. */
#include "world/world_plan.h"

#include <string.h>

#include "world/forms.h"
#include "world/grammar.h"
#include "world/world_impl.h"

const qn_doc_kind qn_doc_kinds[] = {
    {"entry", QN_CLASS_TALE, QN_REGISTER_ANY, 1, 12},
    {"story", QN_CLASS_TALE, QN_REGISTER_ANY, 1, 2},
    {"letter", QN_CLASS_TALE, QN_REGISTER_LETTER, 2, 2},
    {"dialogue", QN_CLASS_TALE, QN_REGISTER_TALK, 3, 2},
    {"news", QN_CLASS_TALE, QN_REGISTER_NEWS, 3, 2},
    {"ledger", QN_CLASS_TALE, QN_REGISTER_LEDGER, 5, 1},
    {"almanac", QN_CLASS_FACTS, QN_REGISTER_ANY, 0, 2},
    {"tale", QN_CLASS_TALE, QN_REGISTER_ANY, 0, 12},
    {"rhyme", QN_CLASS_TALE, QN_REGISTER_ANY, 0, 14},
    {"saying", QN_CLASS_TALE, QN_REGISTER_ANY, 0, 12},
    {"note", QN_CLASS_TALE, QN_REGISTER_ANY, 0, 2},
    {"chat", QN_CLASS_TALE, QN_REGISTER_ANY, 0, 4},
    {"report", QN_CLASS_TALE, QN_REGISTER_ANY, 0, 1},
    {"recipe", QN_CLASS_TALE, QN_REGISTER_ANY, 0, 5},
    {"sums", QN_CLASS_SUMS, QN_REGISTER_ANY, 0, 1},
    {"passage", QN_CLASS_COPY, QN_REGISTER_ANY, 0, 5},
    {"lesson", QN_CLASS_COPY, QN_REGISTER_ANY, 0, 12},
};
const int qn_doc_kinds_n = QN_LEN(qn_doc_kinds);
#define KINDS ((int)QN_LEN(qn_doc_kinds))

/* Per cent of all bytes by class. */
static const int share[QN_CLASSES] = {46, 34, 8, 12};
#define FACTS_EACH 34           /* a tenth of the facts that an appearance tells, on average */
#define ALMANAC_PERCENT 5       /* of the bytes of the facts of people */

/* ---- appearances ------------------------------------------------------------------------------------------------- */

static int64_t appearances_of(const qn_world *w, int64_t person) {
    int64_t all = 0, most = 0;
    for (int r = 0; r < w->relations; r++) {
        const int64_t n = w->fact[qn_fact_id(w, person, (qn_relation)r)].mentions;
        all += n;
        most = QN_MAX(most, n);
    }
    return QN_MAX(most, (all * 10 + FACTS_EACH - 1) / FACTS_EACH);
}

/* Knuth's algorithm S: of `of` appearances, exactly as many as the fact has mentions get its relation. */
static void spread(qn_plan *p, int64_t fact, int64_t from, int64_t of) {
    const uint32_t bit = 1u << qn_fact_relation(p->w, fact);
    int64_t need = p->w->fact[fact].mentions;
    for (int64_t i = 0; i < of && need; i++)
        if ((int64_t)qn_world_draw(p->w, QN_DRAW_PLAN, (uint64_t)fact << 16 | (uint64_t)i, (uint64_t)(of - i)) < need) {
            p->appearance[from + i].facts |= bit;
            need--;
        }
}

static int gather(qn_plan *p) {
    const qn_world *w = p->w;
    int64_t all = 0, kept = 0;
    for (int64_t e = 0; e < w->people; e++)
        all += appearances_of(w, e);
    p->appearance = qn_zalloc(QN_MEM_BASE, (size_t)all, sizeof *p->appearance);
    p->appearances_of = qn_zalloc(QN_MEM_BASE, (size_t)w->people, sizeof *p->appearances_of);
    if (!p->appearance || !p->appearances_of)
        return QN_ENOMEM;
    for (int64_t e = 0, from = 0; e < w->people; e++) {
        const int64_t of = appearances_of(w, e);
        for (int r = 0; r < w->relations; r++)
            spread(p, qn_fact_id(w, e, (qn_relation)r), from, of);
        for (int64_t i = from; i < from + of; i++)
            if (p->appearance[i].facts) {                       /* some were left without any */
                p->appearance[kept++] = (qn_appearance){(int32_t)e, p->appearance[i].facts};
                p->appearances_of[e]++;
            }
        from += of;
        if (kept < from)
            memset(p->appearance + kept, 0, (size_t)(from - kept) * sizeof *p->appearance);
    }
    p->n_appearances = kept;
    return 0;
}

static void shuffle(qn_plan *p) {
    for (int64_t i = p->n_appearances - 1; i > 0; i--) {
        const int64_t j = (int64_t)qn_world_draw(p->w, QN_DRAW_SLOTS, (uint64_t)i, (uint64_t)i + 1);
        const qn_appearance a = p->appearance[i];
        p->appearance[i] = p->appearance[j];
        p->appearance[j] = a;
    }
}

/* ---- documents --------------------------------------------------------------------------------------------------- */

static bool within(const qn_plan *p, int64_t first, int64_t n, int32_t person) {
    for (int64_t i = first; i < first + n; i++)
        if (p->appearance[i].person == person)
            return true;
    return false;
}

/* Nobody twice in a document: who is there already changes places with the next who is not. False: nobody is left. */
static bool make_different(qn_plan *p, int64_t first, int64_t n) {
    for (int64_t i = 1; i < n; i++) {
        int64_t j = first + i;
        while (j < p->n_appearances && within(p, first, i, p->appearance[j].person))
            j++;
        if (j == p->n_appearances)
            return false;
        const qn_appearance a = p->appearance[first + i];
        p->appearance[first + i] = p->appearance[j];
        p->appearance[j] = a;
    }
    return true;
}

static int draw_kind(const qn_plan *p, int64_t doc, qn_class c, bool facts) {
    uint64_t total = 0, x;
    for (int k = 0; k < KINDS; k++)
        total += (qn_doc_kinds[k].people > 0) == facts && qn_doc_kinds[k].klass == c ? qn_doc_kinds[k].weight : 0;
    x = qn_world_draw(p->w, QN_DRAW_DOCS, (uint64_t)doc, total);
    for (int k = 0;; k++)
        if ((qn_doc_kinds[k].people > 0) == facts && qn_doc_kinds[k].klass == c) {
            if (x < qn_doc_kinds[k].weight)
                return k;
            x -= qn_doc_kinds[k].weight;
        }
}

static int add_doc(qn_plan *p, size_t *cap, int kind, int64_t first) {
    QN_TRY(QN_GROW(QN_MEM_BASE, p->doc, *cap, (size_t)p->n_docs + 1));
    p->doc[p->n_docs++] = (qn_doc){(uint8_t)kind, first};
    p->kind_docs[kind]++;
    return 0;
}

/* Until the pile is gone; what is left at the end goes into entries, one each. */
static int deal(qn_plan *p, size_t *cap) {
    for (int64_t at = 0; at < p->n_appearances;) {
        int k = draw_kind(p, p->n_docs, QN_CLASS_TALE, true);
        if (qn_doc_kinds[k].people > p->n_appearances - at || !make_different(p, at, qn_doc_kinds[k].people))
            k = 0;
        QN_TRY(add_doc(p, cap, k, at));
        at += qn_doc_kinds[k].people;
    }
    return 0;
}

/* What the plan chose, by the shares of the whole pile: which person, and which of the facts. To a reader who knew what
 * is left on the pile it would cost a little less. */
static double appearance_bits(const qn_plan *p, const qn_appearance *a) {
    const uint32_t of = (uint32_t)p->appearances_of[a->person];
    double bits = qn_bits((uint32_t)p->n_appearances, of);
    for (int r = 0; r < p->w->relations; r++) {
        const uint32_t n = (uint32_t)p->w->fact[qn_fact_id(p->w, a->person, (qn_relation)r)].mentions;
        bits += qn_bits(of, a->facts >> r & 1 ? n : of - n);
    }
    return bits;
}

static void say(const qn_plan *p, qn_gen *g, const qn_doc *d, uint64_t number) {
    const qn_doc_kind *k = &qn_doc_kinds[d->kind];
    qn_gen_begin(g, number);
    g->klass = (qn_class)k->klass;
    g->place = k->place;
    if (g->traced && p->kind_docs[d->kind])
        qn_gen_add_bits(g, qn_bits((uint32_t)p->n_docs, (uint32_t)p->kind_docs[d->kind]));
    for (int i = 0; i < k->people; i++) {
        const qn_appearance *a = &p->appearance[d->first + i];
        qn_gen_set_person(g, i, a->person, g->traced ? appearance_bits(p, a) : 0);
        g->actor[i].facts = a->facts;
    }
    qn_gen_say(g, k->rule);
    qn_gen_end(g);
}

void qn_plan_write(const qn_plan *p, qn_gen *g, int64_t i) { say(p, g, &p->doc[i], (uint64_t)i); }

/* ---- how many of the other kinds --------------------------------------------------------------------------------- */

#define SAMPLE 256
#define SAMPLE_DOC ((uint64_t)1 << 40)          /* numbers that no document of a corpus has */

/* Bytes by class of an average document among docs[0…n), from some of them. */
static int measure(const qn_plan *p, const qn_doc *docs, int64_t n, double mean[QN_CLASSES]) {
    qn_gen g;
    QN_TRY(qn_gen_init(&g, p->w));
    const int64_t some = QN_MIN(n, SAMPLE * 4);
    for (int64_t i = 0; i < some && g.rc == 0; i++) {
        qn_buf_clear(&g.out);
        say(p, &g, &docs[i * n / some], SAMPLE_DOC + (uint64_t)i);
    }
    for (int c = 0; c < QN_CLASSES; c++)
        mean[c] = (double)g.class_bytes[c] / (double)some;
    const int rc = g.rc;
    qn_gen_drop(&g);
    return rc;
}

static int measure_kind(const qn_plan *p, int kind, double mean[QN_CLASSES]) {
    qn_doc docs[SAMPLE];
    for (int i = 0; i < SAMPLE; i++)
        docs[i] = (qn_doc){(uint8_t)kind, 0};
    return measure(p, docs, SAMPLE, mean);
}

/* Adds documents of one class until `bytes` holds `want` of it. */
static int fill(qn_plan *p, size_t *cap, qn_class c, double want, double bytes[QN_CLASSES]) {
    double mean[KINDS][QN_CLASSES];
    for (int k = 0; k < KINDS; k++)
        if (qn_doc_kinds[k].people == 0 && qn_doc_kinds[k].klass == c)
            QN_TRY(measure_kind(p, k, mean[k]));
    while (bytes[c] < want) {
        const int k = draw_kind(p, p->n_docs, c, false);
        QN_TRY(add_doc(p, cap, k, 0));
        for (int i = 0; i < QN_CLASSES; i++)
            bytes[i] += mean[k][i];
    }
    return 0;
}

static void shuffle_docs(qn_plan *p) {
    for (int64_t i = p->n_docs - 1; i > 0; i--) {
        const int64_t j = (int64_t)qn_world_draw(p->w, QN_DRAW_ORDER, (uint64_t)i, (uint64_t)i + 1);
        const qn_doc d = p->doc[i];
        p->doc[i] = p->doc[j];
        p->doc[j] = d;
    }
}

static int make(qn_plan *p) {
    double bytes[QN_CLASSES];
    size_t cap = 0;
    QN_TRY(gather(p));
    shuffle(p);
    QN_TRY(deal(p, &cap));
    QN_TRY(measure(p, p->doc, p->n_docs, bytes));
    for (int c = 0; c < QN_CLASSES; c++)
        bytes[c] *= (double)p->n_docs;
    QN_TRY(fill(p, &cap, QN_CLASS_FACTS, bytes[QN_CLASS_FACTS] * (1 + ALMANAC_PERCENT / 100.0), bytes));
    const double all = bytes[QN_CLASS_FACTS] * 100 / share[QN_CLASS_FACTS];
    QN_TRY(fill(p, &cap, QN_CLASS_SUMS, all * share[QN_CLASS_SUMS] / 100, bytes));
    QN_TRY(fill(p, &cap, QN_CLASS_COPY, all * share[QN_CLASS_COPY] / 100, bytes));
    QN_TRY(fill(p, &cap, QN_CLASS_TALE, all * share[QN_CLASS_TALE] / 100, bytes));
    shuffle_docs(p);
    return 0;
}

int qn_plan_new(qn_plan **out, const qn_world *w) {
    qn_plan *p = qn_zalloc(QN_MEM_BASE, 1, sizeof *p);
    *out = NULL;
    if (!p)
        return QN_ENOMEM;
    p->w = w;
    const int rc = make(p);
    if (rc < 0) {
        qn_plan_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void qn_plan_free(qn_plan *p) {
    if (!p)
        return;
    qn_free(p->appearance);
    qn_free(p->appearances_of);
    qn_free(p->doc);
    qn_free(p);
}
