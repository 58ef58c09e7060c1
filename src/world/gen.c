/* world/gen.c — choices, and text with spans beside it. */
#include "world/gen.h"

#include <string.h>

#include "num/math.h"
#include "world/world_impl.h"

#define LOG2_E 1.4426950408889634

int qn_gen_init(qn_gen *g, const qn_world *w) {
    *g = (qn_gen){.w = w};
    return qn_buf_reserve(&g->out, 1 << 16);
}

void qn_gen_drop(qn_gen *g) {
    qn_buf_drop(&g->out);
    qn_buf_drop(&g->scratch);
    qn_free(g->span);
    qn_free(g->mention);
    qn_free(g->tape);
    *g = (qn_gen){0};
}

void qn_gen_begin(qn_gen *g, uint64_t doc) {
    g->doc = doc;
    g->index = 0;
    g->left = 0;
    g->begin = g->class_at = g->out.n;
    g->first_span = g->n_spans;
    g->at_tape = 0;
    if (!g->replay)
        g->n_tape = 0;
    memset(g->actor, 0, sizeof g->actor);
    memset(g->plural, 0, sizeof g->plural);
    memset(g->had, 0, sizeof g->had);
    memset(g->number, 0, sizeof g->number);
    memset(g->noun_at, -1, sizeof g->noun_at);
    g->operand_at = -1;
    g->topic = g->place = 0;
    g->named = g->big = false;
    g->article = 0;
    g->klass = QN_CLASS_TALE;
    qn_gen_mark(g, QN_SPAN_STYLE);
}

/* The last one ends where the text does; what a later one cost, which has no bytes left, is its. */
static void end_spans(qn_gen *g) {
    if (!g->traced || g->n_spans == g->first_span)
        return;
    qn_text_span *last = &g->span[g->n_spans - 1];
    while (last->begin >= g->out.n && g->n_spans > g->first_span + 1) {
        last[-1].bits += last->bits;
        last--;
        g->n_spans--;
    }
    last->end = g->out.n;
}

void qn_gen_end(qn_gen *g) {
    while (g->out.n > g->begin && strchr(" \n", g->out.s[g->out.n - 1]))
        g->out.n--;
    g->article = 0;
    end_spans(g);
    qn_gen_put(g, "\n", 1);
    g->out.s[g->out.n] = '\0';
    qn_gen_class(g, g->klass);
}

/* ---- choices ----------------------------------------------------------------------------------------------------- */

static uint32_t next_word(qn_gen *g) {
    if (g->left == 0) {
        g->block = qn_rng(g->w->seed, QN_RNG_WORLD, (uint64_t)QN_DRAW_TEXT << 32 | g->index >> 20,
                          g->doc << 20 | (g->index & 0xfffff));
        g->index++;
        g->left = 4;
    }
    return g->block.v[--g->left];
}

/* Lemire: the high half of a product; the few low halves that would favour some results are drawn again. */
static uint32_t draw(qn_gen *g, uint32_t n) {
    uint64_t m = (uint64_t)next_word(g) * n;
    if (QN_UNLIKELY((uint32_t)m < n))
        for (const uint32_t least = (uint32_t)-n % n; (uint32_t)m < least;)
            m = (uint64_t)next_word(g) * n;
    return (uint32_t)(m >> 32);
}

double qn_bits(uint32_t total, uint32_t weight) {
    return total == weight ? 0 : (qn_ln(total) - qn_ln(weight)) * LOG2_E;
}

static void keep(qn_gen *g, uint32_t total, uint32_t weight, uint32_t index) {
    qn_gen_add_bits(g, qn_bits(total, weight));
    if (g->rc == 0)
        g->rc = QN_GROW(QN_MEM_BASE, g->tape, g->cap_tape, g->n_tape + 1);
    if (g->rc == 0 && !g->replay)
        g->tape[g->n_tape++] = (qn_choice){total, weight, index};
}

uint32_t qn_choose(qn_gen *g, uint32_t n) {
    if (n < 2)
        return 0;
    const bool taped = g->replay && g->at_tape < g->n_tape;
    const uint32_t i = taped ? g->tape[g->at_tape++].index : draw(g, n);
    if (g->traced)
        keep(g, n, 1, i);
    return i;
}

uint32_t qn_choose_weighted(qn_gen *g, const uint16_t *weight, uint32_t n, uint32_t total) {
    uint32_t i = 0;
    if (g->replay && g->at_tape < g->n_tape) {
        i = g->tape[g->at_tape++].index;
    } else {
        for (uint32_t x = draw(g, total); i + 1 < n && x >= weight[i]; i++)
            x -= weight[i];
    }
    if (g->traced)
        keep(g, total, weight[i], i);
    return i;
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

void qn_gen_put(qn_gen *g, const char *s, size_t n) {
    qn_buf *out = &g->out;
    if (n && s[0] == ' ' && (out->n == g->begin || strchr(" \n", out->s[out->n - 1])))
        s++, n--;                       /* one blank between sentences, none at the beginning of a line */
    if (n == 0)
        return;
    if (QN_UNLIKELY(out->cap - out->n < n + 2)) {
        const int rc = qn_buf_reserve(out, n + (1 << 16));
        if (rc < 0) {
            g->rc = rc;
            return;
        }
    }
    if (QN_UNLIKELY(g->article)) {
        if (g->article == out->n && memchr("aeiou", s[0] | 32, 5)) {
            memcpy(out->s + out->n - 1, "n ", 2);
            out->n++;
            if (g->traced && g->n_spans && g->span[g->n_spans - 1].begin == g->article)
                g->span[g->n_spans - 1].begin++;
            if (g->traced && g->n_spans > 1 && g->span[g->n_spans - 2].end == g->article)
                g->span[g->n_spans - 2].end++;
        }
        g->article = 0;
    }
    memcpy(out->s + out->n, s, n);
    if (g->big) {
        char *c = out->s + out->n + (s[0] == '"');
        *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
        g->big = false;
    }
    out->n += n;
}

void qn_gen_puts(qn_gen *g, const char *z) { qn_gen_put(g, z, strlen(z)); }

/* Ends the open span. One without bytes gives its bits to the next; two neighbours alike are one. */
static void mark(qn_gen *g, qn_span_kind kind, int64_t fact, int64_t distance) {
    if (!g->traced || g->rc < 0)
        return;
    const size_t at = g->out.n;
    qn_text_span *last = g->n_spans > g->first_span ? &g->span[g->n_spans - 1] : NULL;
    if (last && last->begin == at) {
        const double bits = last->bits;
        g->n_spans--;
        last = g->n_spans > g->first_span ? &g->span[g->n_spans - 1] : NULL;
        if (last && last->kind == kind && kind != QN_SPAN_FACT && kind != QN_SPAN_COPY) {
            last->bits += bits;
            return;
        }
        g->span[g->n_spans++] = (qn_text_span){at, at, (uint8_t)kind, fact, distance, bits};
        return;
    }
    if (last && last->kind == kind && kind != QN_SPAN_FACT && kind != QN_SPAN_COPY)
        return;
    if (last)
        last->end = at;
    g->rc = QN_GROW(QN_MEM_BASE, g->span, g->cap_spans, g->n_spans + 2);
    if (g->rc == 0)
        g->span[g->n_spans++] = (qn_text_span){at, at, (uint8_t)kind, fact, distance, 0};
}

void qn_gen_mark(qn_gen *g, qn_span_kind kind) { mark(g, kind, -1, -1); }

void qn_gen_mark_from(qn_gen *g, qn_span_kind kind, int64_t at) {
    mark(g, kind, -1, at >= 0 ? (int64_t)g->out.n - at : -1);
}

void qn_gen_mark_fact(qn_gen *g, int64_t fact, int form) {
    mark(g, QN_SPAN_FACT, fact, -1);
    if (g->rc == 0)
        g->rc = QN_GROW(QN_MEM_BASE, g->mention, g->cap_mentions, g->n_mentions + 1);
    if (g->rc == 0)
        g->mention[g->n_mentions++] = (qn_mention){fact, form};
}

void qn_gen_add_bits(qn_gen *g, double bits) {
    if (g->traced && g->n_spans)
        g->span[g->n_spans - 1].bits += bits;
}

qn_class qn_gen_class(qn_gen *g, qn_class klass) {
    const qn_class before = g->klass;
    g->class_bytes[before] += (int64_t)(g->out.n - g->class_at);
    g->class_at = g->out.n;
    g->klass = klass;
    return before;
}

/* ---- people ------------------------------------------------------------------------------------------------------ */

void qn_gen_set_person(qn_gen *g, int actor, int32_t person, double bits) {
    const qn_person *p = &g->w->person[person];
    qn_actor *a = &g->actor[actor];
    qn_assert(p->name.n < sizeof a->name);
    *a = (qn_actor){.set = true, .she = p->she, .person = person, .last = -1, .bits = bits};
    memcpy(a->name, p->name.s, p->name.n);
    a->name_n = (uint8_t)p->name.n;
    a->given_n = (uint8_t)((const char *)memchr(a->name, ' ', p->name.n) - a->name);
}

void qn_gen_set_stranger(qn_gen *g, int actor, qn_name n) {
    qn_actor *a = &g->actor[actor];
    qn_buf b = {0};
    const int rc = qn_name_put(g->w, n, &b);
    g->rc = g->rc < 0 ? g->rc : rc;
    if (rc >= 0) {
        qn_assert(b.n < sizeof a->name);
        *a = (qn_actor){.set = true, .she = n.she, .person = -1, .last = -1};
        memcpy(a->name, b.s, b.n);
        a->name_n = (uint8_t)b.n;
        a->given_n = (uint8_t)(strchr(b.s, ' ') - b.s);
    }
    qn_buf_drop(&b);
}

/* Nobody twice in a text, and no two with the same given name: another draw then, which the tape remembers. */
static bool taken(const qn_gen *g, int actor) {
    const qn_actor *a = &g->actor[actor];
    for (int i = 0; i < QN_ACTORS; i++)
        if (i != actor && g->actor[i].set && g->actor[i].given_n == a->given_n &&
            memcmp(g->actor[i].name, a->name, a->given_n) == 0)
            return true;
    return false;
}

void qn_gen_cast(qn_gen *g, int actor, bool known) {
    do {
        if (known && qn_choose(g, 4) == 0) {
            qn_gen_set_person(g, actor, (int32_t)qn_choose(g, (uint32_t)g->w->people), 0);
        } else {
            const qn_unknown kind = !known && qn_choose(g, 2) ? QN_UNKNOWN_MIXED : QN_UNKNOWN_NEW;
            const uint32_t n = (uint32_t)qn_world_unknowns(g->w, kind);
            qn_gen_set_stranger(g, actor, qn_world_unknown(g->w, kind, false, qn_choose(g, n)));
        }
    } while (g->rc == 0 && taken(g, actor));
}

/* The first time it costs what the choice of the person cost; after that it is a copy. */
void qn_gen_name(qn_gen *g, int actor, bool given_only) {
    qn_actor *a = &g->actor[actor];
    if (a->last >= 0) {
        qn_gen_mark_from(g, QN_SPAN_COPY, a->last);
    } else {
        qn_gen_mark(g, QN_SPAN_STYLE);
        qn_gen_add_bits(g, a->bits);
    }
    a->bits = 0;
    a->last = (int64_t)g->out.n;
    qn_gen_put(g, a->name, given_only ? a->given_n : a->name_n);
    qn_gen_mark(g, QN_SPAN_STYLE);
}
