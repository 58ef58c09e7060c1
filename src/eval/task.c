/* eval/task.c — what tasks of all formats share: memory, few-shot draws, what guessing gives. */
#include "eval/task.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = 1 << 16 };
struct qn_task_block { struct qn_task_block *next; size_t used, size; char bytes[]; };

/* ---- memory ---- */

int qn_task_new(qn_task **out) {
    *out = qn_zalloc(QN_MEM_BASE, 1, sizeof **out);
    return *out ? 0 : QN_ENOMEM;
}

void qn_task_free(qn_task *t) {
    if (!t)
        return;
    while (t->blocks) {
        struct qn_task_block *next = t->blocks->next;
        qn_free(t->blocks);
        t->blocks = next;
    }
    qn_task_free(t->pool);
    qn_free(t->item);
    qn_free(t->set);
    qn_free(t);
}

void *qn_task_alloc(qn_task *t, size_t bytes) {
    const size_t need = (bytes + 15) / 16 * 16;
    if (!t->blocks || t->blocks->size - t->blocks->used < need) {
        const size_t size = QN_MAX(need, (size_t)BLOCK);
        struct qn_task_block *b = qn_alloc(QN_MEM_BASE, sizeof *b + size);
        if (!b)
            return NULL;
        *b = (struct qn_task_block){.next = t->blocks, .size = size};
        t->blocks = b;
    }
    void *p = t->blocks->bytes + t->blocks->used;
    t->blocks->used += need;
    return memset(p, 0, bytes);
}

int qn_task_copy(qn_task *t, qn_str s, qn_str *out) {
    char *p = qn_task_alloc(t, s.n + 1);
    if (!p)
        return QN_ENOMEM;
    if (s.n > 0)
        memcpy(p, s.s, s.n);
    *out = (qn_str){p, s.n};
    return 0;
}

int qn_task_print(qn_task *t, qn_str *out, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *p = qn_task_alloc(t, (size_t)n + 1);
    if (!p)
        return QN_ENOMEM;
    va_start(args, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, args);
    va_end(args);
    *out = (qn_str){p, (size_t)n};
    return 0;
}

int qn_task_spaced(qn_task *t, qn_str s, qn_str *out) {
    char *p = qn_task_alloc(t, s.n + 2);
    if (!p)
        return QN_ENOMEM;
    p[0] = ' ';
    if (s.n > 0)
        memcpy(p + 1, s.s, s.n);
    *out = (qn_str){p, s.n + 1};
    return 0;
}

int qn_task_add(qn_task *t, qn_task_item **out) {
    QN_TRY(QN_GROW(QN_MEM_BASE, t->item, t->cap, t->n + 1));
    *out = &t->item[t->n++];
    **out = (qn_task_item){.set = -1, .known = -1, .max_tokens = 64};
    return 0;
}

int qn_task_add_group(qn_task *t, qn_task_item *item, const char *key, qn_str value) {
    qn_task_group *g = qn_task_alloc(t, (size_t)(item->groups + 1) * sizeof *g);
    if (!g)
        return QN_ENOMEM;
    if (item->groups > 0)
        memcpy(g, item->group, (size_t)item->groups * sizeof *g);
    g[item->groups].key = qn_str_of(key);
    QN_TRY(qn_task_copy(t, value, &g[item->groups].value));
    item->group = g;
    item->groups++;
    return 0;
}

/* ---- names ---- */

const char *qn_task_kind_name(qn_task_kind k) {
    static const char *const name[] = {"choice", "pair", "generate", "text"};
    return name[k];
}

static const char *const judges[QN_JUDGES] = {
    "exact", "prefix", "contains", "number", "abstain", "refuse", "correct_premise", "rules", "gsm8k"};

const char *qn_judge_name(qn_judge j) { return judges[j]; }

int qn_judge_from_name(qn_str name) {
    for (int i = 0; i < QN_JUDGE_GSM8K; i++)
        if (qn_str_is(name, judges[i]))
            return i;
    return -1;
}

/* ---- shots ---- */

/* The first of the items [n] with this kin whose number is not `but`, up to `most` of them. */
static int64_t first_of_kin(const qn_task *pool, qn_str kin, int64_t but, int32_t *out, int64_t most) {
    int64_t n = 0;
    for (size_t i = 0; i < pool->n && n < most; i++)
        if ((int64_t)i != but && qn_str_eq(pool->item[i].kin, kin))
            out[n++] = (int32_t)i;
    return n;
}

/* Moves `shots` of the n candidates, drawn without replacement, to the front: the beginning of a shuffle. */
static void shuffle(int32_t *candidate, int64_t n, int64_t shots, uint64_t seed, uint64_t draw) {
    for (int64_t i = 0; i < shots && i < n; i++) {
        const int64_t j = i + (int64_t)(qn_rng_u64(seed, QN_RNG_ORDER, draw, (uint64_t)i) % (uint64_t)(n - i));
        const int32_t swap = candidate[i];
        candidate[i] = candidate[j];
        candidate[j] = swap;
    }
}

/* One more than asked for is drawn, so that an item of the pool can do without itself and all others keep theirs. */
static int draw_for(qn_task *t, const qn_task *pool, int64_t i, int64_t shots, uint64_t seed, uint64_t draw,
                    int32_t *candidate) {
    qn_task_item *item = &t->item[i];
    const int64_t but = pool == t ? i : -1;
    const bool drawn = !t->first_shots;
    const int64_t n = first_of_kin(pool, item->kin, -1, candidate, drawn ? (int64_t)pool->n : shots + 1);
    if (n - (but >= 0) < shots)
        return qn_fail(QN_EINVAL, "%.*s: %lld shots are asked for, there are %lld items to show",
                       QN_STR_ARG(t->name), (long long)shots, (long long)(n - (but >= 0)));
    if (drawn)
        shuffle(candidate, n, shots + 1, seed, draw);
    int32_t *shot = qn_task_alloc(t, (size_t)shots * sizeof *shot);
    if (!shot)
        return QN_ENOMEM;
    for (int64_t k = 0; item->shots < shots; k++)
        if (candidate[k] != but)
            shot[item->shots++] = candidate[k];
    item->shot = shot;
    return 0;
}

static bool can_show(const qn_task_item *i) {
    return !i->messages.s && (i->choices > 0 || i->targets > 0 || i->shown.s);
}

int qn_task_draw_shots(qn_task *t, qn_task *pool, int64_t shots, uint64_t seed, bool each) {
    const qn_task *from = pool ? pool : t;
    int rc = 0;
    t->pool = pool;
    for (size_t i = 0; i < from->n && shots > 0; i++)
        if (!can_show(&from->item[i]))
            return qn_fail(QN_EINVAL, "%.*s: item %.*s cannot be shown as an example; run without shots",
                           QN_STR_ARG(t->name), QN_STR_ARG(from->item[i].id));
    int32_t *candidate = qn_alloc(QN_MEM_BASE, QN_MAX(from->n, 1) * sizeof *candidate);
    if (!candidate)
        return QN_ENOMEM;
    for (size_t i = 0; i < t->n && shots > 0 && rc >= 0; i++)
        rc = draw_for(t, from, (int64_t)i, shots, seed, each ? i + 1 : 0, candidate);
    qn_free(candidate);
    return rc;
}

int qn_task_preface(const qn_task *t, const qn_task_item *item, qn_buf *out) {
    const qn_task *pool = t->pool ? t->pool : t;
    QN_TRY(qn_buf_put(out, item->preamble.s, item->preamble.n));
    for (int64_t k = 0; k < item->shots; k++) {
        const qn_task_item *s = &pool->item[item->shot[k]];
        const qn_str before = s->before ? s->before[s->answer] : s->context;
        const qn_str answer = s->shown.s ? s->shown : s->choices > 0 ? s->choice[s->answer] : s->target[0];
        QN_TRY(qn_buf_put(out, before.s, before.n));
        QN_TRY(qn_buf_put(out, answer.s, answer.n));
        QN_TRY(qn_buf_puts(out, "\n\n"));
    }
    return 0;
}

/* ---- guessing ---- */

double qn_task_chance(const qn_task *t) {
    double sum = 0;
    int64_t same = 0;               /* items with as many choices as the first: their mean is exact */
    if (t->kind == QN_TASK_TEXT || t->kind == QN_TASK_GENERATE || t->n == 0)
        return NAN;
    for (size_t i = 0; i < t->n; i++) {
        sum += 1 / (double)t->item[i].choices;
        same += t->item[i].choices == t->item[0].choices;
    }
    return same == (int64_t)t->n ? 1 / (double)t->item[0].choices : sum / (double)t->n;
}

/* What the most frequent answer is counted by: its place for choices of one's own, its text otherwise. */
static int answer_key(const qn_task *t, const qn_task_item *i, qn_buf *key) {
    qn_buf_clear(key);
    if (t->kind == QN_TASK_GENERATE)
        return qn_buf_put(key, i->target[0].s, i->target[0].n);
    return qn_buf_printf(key, "%lld %lld", (long long)i->set, (long long)i->answer);
}

typedef struct { qn_strmap place; int64_t *count, *set; size_t n; } answers;

static int count_answers(const qn_task *t, qn_task *keys, answers *a) {
    qn_buf key = {0};
    int rc = 0;
    for (size_t i = 0; i < t->n; i++) {
        int64_t at = 0;
        qn_str kept;
        QN_TRY_OUT(answer_key(t, &t->item[i], &key));
        if (!qn_strmap_get(&a->place, qn_buf_view(&key), &at)) {
            at = (int64_t)a->n;
            QN_TRY_OUT(qn_task_copy(keys, qn_buf_view(&key), &kept));
            QN_TRY_OUT(qn_strmap_put(&a->place, kept, at));
            a->set[a->n++] = t->kind == QN_TASK_GENERATE ? -1 : t->item[i].set;
        }
        a->count[at]++;
    }
out:
    qn_buf_drop(&key);
    return rc;
}

/* The sum over choice sets of their most frequent answer. */
static int64_t most_frequent(const qn_task *t, const answers *a) {
    int64_t sum = 0;
    for (int64_t set = -1; set < (int64_t)t->n_sets; set++) {
        int64_t best = 0;
        for (size_t i = 0; i < a->n; i++)
            if (a->set[i] == set)
                best = QN_MAX(best, a->count[i]);
        sum += best;
    }
    return sum;
}

int qn_task_majority(const qn_task *t, double *out) {
    answers a = {0};
    qn_task *keys = NULL;
    int rc = 0;
    *out = NAN;
    if (t->kind == QN_TASK_TEXT || t->kind == QN_TASK_PAIR || t->n == 0)
        return 0;
    for (size_t i = 0; i < t->n && t->kind == QN_TASK_GENERATE; i++)
        if (t->item[i].targets == 0)
            return 0;
    a.count = qn_zalloc(QN_MEM_BASE, t->n, sizeof *a.count);
    a.set = qn_zalloc(QN_MEM_BASE, t->n, sizeof *a.set);
    if (!a.count || !a.set)
        rc = QN_ENOMEM;
    if (rc >= 0)
        rc = qn_task_new(&keys);
    if (rc >= 0)
        rc = count_answers(t, keys, &a);
    if (rc >= 0)
        *out = (double)most_frequent(t, &a) / (double)t->n;
    qn_strmap_drop(&a.place);
    qn_task_free(keys);
    qn_free(a.count);
    qn_free(a.set);
    return rc;
}
