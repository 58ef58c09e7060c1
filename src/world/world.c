/* world/world.c — people, what is true of them, and how often a corpus shall say so.
 *
 *     a quarter of each relation's facts   head    at least 100 mentions a pass     in the medium and the large world
 *     half                                 torso   40 … 60                          6/10 of that
 *     a quarter                            tail    2 … 8
 *
 * Inside a band the mentions of rank j of n fall as 1/√(j + a) (Zipf, s = 1/2, the first ranks left out), from the
 * band's highest to its lowest count: a = n·lo²/(hi² − lo²). */
#include <math.h>
#include <string.h>

#include "world/grammar.h"
#include "world/lexicon.h"
#include "world/world_impl.h"

typedef struct { int64_t people, parts, new_parts, bytes; int relations, values, share; } size_row;     /* share: % */
static const size_row sizes[] = {
    {192, 64, 32, 6000000, 5, 32, 100},
    {2000, 250, 64, 43000000, 6, 64, 60},
    {20000, 400, 128, 400000000, 6, 128, 52},
};
static const char *const size_name[] = {"small", "medium", "large"};
static const struct { int lo, hi; } bands[QN_BANDS] = {{100, 128}, {40, 60}, {2, 8}};

const char *qn_world_size_name(qn_world_size size) { return size_name[size]; }
int64_t qn_world_size_bytes(qn_world_size size) { return sizes[size].bytes; }

int qn_world_size_named(const char *name) {
    for (size_t i = 0; i < QN_LEN(size_name); i++)
        if (strcmp(name, size_name[i]) == 0)
            return (int)i;
    return -1;
}

/* Whole multiples of n only: those draws at the end of the range that would favour the small ones are drawn again. */
uint64_t qn_world_draw(const qn_world *w, uint64_t stream, uint64_t i, uint64_t n) {
    const uint64_t end = UINT64_MAX - UINT64_MAX % n;
    for (uint64_t again = 0;; again++) {
        const uint64_t x = qn_rng_u64(w->seed, QN_RNG_WORLD, stream << 32 | again, i);
        if (x < end)
            return x % n;
    }
}

int32_t *qn_world_order(const qn_world *w, uint64_t stream, int64_t n) {
    int32_t *order = qn_zalloc(QN_MEM_BASE, (size_t)n, sizeof *order);
    for (int64_t i = 0; order && i < n; i++) {              /* Fisher and Yates, inside out */
        const int64_t j = (int64_t)qn_world_draw(w, stream, (uint64_t)i, (uint64_t)i + 1);
        order[i] = order[j];
        order[j] = (int32_t)i;
    }
    return order;
}

/* ---- facts ------------------------------------------------------------------------------------------------------- */

/* Everybody a value, all values alike often (to within one). */
static int draw_values(qn_world *w, qn_relation r) {
    int32_t *order = qn_world_order(w, QN_DRAW_VALUE + r, w->people);
    if (!order)
        return QN_ENOMEM;
    for (int64_t i = 0; i < w->people; i++)
        w->person[order[i]].value[r] = (int32_t)(i % w->values);
    qn_free(order);
    return 0;
}

static int32_t mentions_at(qn_band b, int share, int64_t rank, int64_t n) {
    const double lo = bands[b].lo * share / 100.0, hi = bands[b].hi * share / 100.0;
    const double a = (double)n * lo * lo / (hi * hi - lo * lo);
    const int32_t count = (int32_t)(hi * sqrt(a / ((double)rank + a)) + 0.5);
    return QN_MAX(count, (int32_t)(lo + 0.999));
}

/* Each relation is cut into the bands by an order of its own: who is well known for a trade may have a secret home. */
static int draw_bands(qn_world *w, qn_relation r, int share) {
    int32_t *order = qn_world_order(w, QN_DRAW_BAND + r, w->people);
    if (!order)
        return QN_ENOMEM;
    const int64_t n = w->people, head = n / 4, tail = n / 4, from[QN_BANDS + 1] = {0, head, n - tail, n};
    for (int b = 0; b < QN_BANDS; b++)
        for (int64_t i = from[b]; i < from[b + 1]; i++)
            w->fact[qn_fact_id(w, order[i], r)] =
                (qn_fact){(uint8_t)b, mentions_at((qn_band)b, share, i - from[b], from[b + 1] - from[b])};
    qn_free(order);
    return 0;
}

/* Brothers and sisters by twos; everybody learns from the next on a ring of all. */
static int draw_kin(qn_world *w) {
    int32_t *pair = qn_world_order(w, QN_DRAW_SIBLING, w->people);
    int32_t *ring = qn_world_order(w, QN_DRAW_TEACHER, w->people);
    int32_t *taught = qn_world_order(w, QN_DRAW_TAUGHT, w->people);
    const int rc = pair && ring && taught ? 0 : QN_ENOMEM;
    for (int64_t i = 0; i < w->people && rc == 0; i++) {
        w->person[pair[i]].sibling = pair[i ^ 1];
        w->person[ring[i]].teacher = ring[(i + 1) % w->people];
        w->person[taught[i]].taught = i < w->people / 4;
    }
    qn_free(pair);
    qn_free(ring);
    qn_free(taught);
    return rc;
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

/* All names in one buffer; views once it no longer moves. */
static int spell_people(qn_world *w) {
    size_t at = 0;
    for (int64_t i = 0; i < w->people; i++) {
        const qn_person *p = &w->person[i];
        QN_TRY(qn_name_put(w, (qn_name){p->given, p->surname, p->she}, &w->names));
        QN_TRY(qn_buf_putc(&w->names, '\n'));
    }
    for (int64_t i = 0; i < w->people; i++) {
        const char *s = w->names.s + at;
        w->person[i].name = (qn_str){s, (size_t)(strchr(s, '\n') - s)};
        at += w->person[i].name.n + 1;
    }
    return 0;
}

static int spell_values(qn_world *w) {
    size_t at = 0;
    for (int r = 0; r < w->relations; r++) {
        w->value[r] = qn_zalloc(QN_MEM_BASE, (size_t)w->values, sizeof *w->value[r]);
        if (!w->value[r])
            return QN_ENOMEM;
        for (int v = 0; v < w->values; v++) {
            QN_TRY(qn_lexicon_value(w->size, (qn_relation)r, v, &w->words));
            QN_TRY(qn_buf_putc(&w->words, '\n'));
        }
    }
    for (int r = 0; r < w->relations; r++)
        for (int v = 0; v < w->values; v++) {
            const char *s = w->words.s + at;
            w->value[r][v] = (qn_str){s, (size_t)(strchr(s, '\n') - s)};
            at += w->value[r][v].n + 1;
        }
    return 0;
}

qn_str qn_world_value(const qn_world *w, qn_relation r, int value) { return w->value[r][value]; }

const char *qn_world_article(const qn_world *w, qn_relation r, int value) {
    if (r == QN_REL_HOME || r == QN_REL_FEAST)
        return "";
    return strchr("aeiou", w->value[r][value].s[0]) ? "an " : "a ";
}

int qn_world_properties(const qn_world *w, qn_relation r) { return qn_lexicon_properties(w->size, r); }
int qn_world_property(const qn_world *w, qn_relation r, int value) { return qn_lexicon_property(w->size, r, value); }

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static int make(qn_world *w) {
    const size_row *row = &sizes[w->size];
    w->people = row->people;
    w->relations = row->relations;
    w->values = row->values;
    w->parts = row->parts;
    w->new_parts = row->new_parts;
    w->person = qn_zalloc(QN_MEM_BASE, (size_t)w->people, sizeof *w->person);
    w->fact = qn_zalloc(QN_MEM_BASE, (size_t)(w->people * w->relations), sizeof *w->fact);
    if (!w->person || !w->fact)
        return QN_ENOMEM;
    QN_TRY(qn_world_draw_names(w));
    QN_TRY(draw_kin(w));
    for (int r = 0; r < w->relations; r++) {
        QN_TRY(draw_values(w, (qn_relation)r));
        QN_TRY(draw_bands(w, (qn_relation)r, row->share));
    }
    QN_TRY(spell_people(w));
    QN_TRY(spell_values(w));
    return qn_grammar_new(&w->grammar);
}

int qn_world_new(qn_world **out, uint64_t seed, qn_world_size size) {
    qn_world *w = qn_zalloc(QN_MEM_BASE, 1, sizeof *w);
    *out = NULL;
    if (!w)
        return QN_ENOMEM;
    w->seed = seed;
    w->size = size;
    const int rc = make(w);
    if (rc < 0) {
        qn_world_free(w);
        return rc;
    }
    *out = w;
    return 0;
}

void qn_world_free(qn_world *w) {
    if (!w)
        return;
    for (int r = 0; r < QN_RELATIONS; r++)
        qn_free(w->value[r]);
    qn_free(w->person);
    qn_free(w->fact);
    qn_free(w->given);
    qn_free(w->surname);
    qn_buf_drop(&w->names);
    qn_buf_drop(&w->words);
    qn_grammar_free(w->grammar);
    qn_free(w);
}
