/* world/bow.c — bags of words and the two classifiers over them.
 *
 *     text t = ids[from[t] … from[t+1])          distinct words of it, each once
 *     bayes:     Σ_w ln (n[w,1] + 1)/(N1 + V) − ln (n[w,0] + 1)/(N0 + V)
 *     logistic:  b + Σ_w weight[w],  30 passes of gradient descent, step 0.1, decay 1e-3 */
#include "world/bow.h"

#include "num/math.h"

#include <string.h>

enum { PASSES = 30 };

typedef struct {
    const qn_bow_text *text;
    int64_t n, words;
    int64_t *from;              /* [n+1] */
    int32_t *ids; size_t n_ids, cap_ids;
    double *weight;             /* [words + 1], the last is the bias */
    int64_t *count;             /* [words,2] */
    int64_t *seen;              /* [words]: 1 + the last text that had the word */
} bag;

static bool letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The next run of letters of s from *at on, folded into `word`; false at the end. Long runs are cut. */
static bool next_word(qn_str s, size_t *at, char word[64], size_t *len) {
    while (*at < s.n && !letter(s.s[*at]))
        ++*at;
    *len = 0;
    while (*at < s.n && letter(s.s[*at]) && *len < 63)
        word[(*len)++] = (char)(s.s[(*at)++] | 0x20);
    return *len > 0;
}

/* The id of a word, new ones in the order of their coming. Spellings live in `pool`, which never moves its blocks. */
typedef struct { qn_strmap map; char **own; size_t n, cap; } lexicon;

static int word_id(lexicon *l, qn_str w, int32_t *id) {
    int64_t known;
    if (qn_strmap_get(&l->map, w, &known)) {
        *id = (int32_t)known;
        return 0;
    }
    QN_TRY(QN_GROW(QN_MEM_SCRATCH, l->own, l->cap, l->n + 1));
    char *copy = qn_str_dup(QN_MEM_SCRATCH, w);
    if (!copy)
        return QN_ENOMEM;
    l->own[l->n] = copy;
    *id = (int32_t)l->n++;
    return QN_MIN(0, qn_strmap_put(&l->map, (qn_str){copy, w.n}, *id));
}

static int read_texts(bag *b, lexicon *l) {
    for (int64_t t = 0; t < b->n; t++) {
        char word[64];
        size_t at = 0, len;
        b->from[t] = (int64_t)b->n_ids;
        while (next_word(b->text[t].text, &at, word, &len)) {
            int32_t id;
            QN_TRY(word_id(l, (qn_str){word, len}, &id));
            QN_TRY(QN_GROW(QN_MEM_SCRATCH, b->ids, b->cap_ids, b->n_ids + 1));
            b->ids[b->n_ids++] = id;
        }
    }
    b->from[b->n] = (int64_t)b->n_ids;
    b->words = (int64_t)l->n;
    return 0;
}

/* Keeps each word of a text once. */
static void make_distinct(bag *b) {
    int64_t kept = 0;
    for (int64_t t = 0; t < b->n; t++) {
        int64_t begin = b->from[t], end = b->from[t + 1];
        b->from[t] = kept;
        for (int64_t i = begin; i < end; i++)
            if (b->seen[b->ids[i]] != t + 1) {
                b->seen[b->ids[i]] = t + 1;
                b->ids[kept++] = b->ids[i];
            }
    }
    b->from[b->n] = kept;
}

static bool held_out(const bag *b, int64_t t, int fold) {
    return b->text[t].group % QN_BOW_FOLDS == fold;
}

static double score(double margin, bool label) {
    return margin == 0 ? 0.5 : (margin > 0) == label ? 1.0 : 0.0;
}

static double bayes_fold(bag *b, int fold) {
    int64_t total[2] = {0, 0}, texts[2] = {0, 0};
    double right = 0;
    memset(b->count, 0, (size_t)b->words * 2 * sizeof *b->count);
    for (int64_t t = 0; t < b->n; t++) {
        if (held_out(b, t, fold))
            continue;
        texts[b->text[t].label]++;
        for (int64_t i = b->from[t]; i < b->from[t + 1]; i++, total[b->text[t].label]++)
            b->count[2 * b->ids[i] + b->text[t].label]++;
    }
    double base = qn_ln((double)texts[1] + 1) - qn_ln((double)texts[0] + 1);
    double yes = (double)(total[1] + b->words), no = (double)(total[0] + b->words);
    for (int64_t t = 0; t < b->n; t++) {
        if (!held_out(b, t, fold))
            continue;
        double margin = base;
        for (int64_t i = b->from[t]; i < b->from[t + 1]; i++) {
            const int64_t *c = b->count + 2 * b->ids[i];
            margin += qn_ln((double)(c[1] + 1) / yes) - qn_ln((double)(c[0] + 1) / no);
        }
        right += score(margin, b->text[t].label);
    }
    return right;
}

static double margin_of(const bag *b, int64_t t) {
    double sum = b->weight[b->words];
    for (int64_t i = b->from[t]; i < b->from[t + 1]; i++)
        sum += b->weight[b->ids[i]];
    return sum;
}

static double logistic_fold(bag *b, int fold) {
    const double step = 0.1, decay = 1e-3;
    double right = 0;
    memset(b->weight, 0, (size_t)(b->words + 1) * sizeof *b->weight);
    for (int pass = 0; pass < PASSES; pass++)
        for (int64_t t = 0; t < b->n; t++) {
            if (held_out(b, t, fold))
                continue;
            double g = (double)b->text[t].label - 1.0 / (1.0 + qn_exp(-margin_of(b, t)));
            b->weight[b->words] += step * g;
            for (int64_t i = b->from[t]; i < b->from[t + 1]; i++)
                b->weight[b->ids[i]] += step * (g - decay * b->weight[b->ids[i]]);
        }
    for (int64_t t = 0; t < b->n; t++)
        if (held_out(b, t, fold))
            right += score(margin_of(b, t), b->text[t].label);
    return right;
}

int qn_bow_test(const qn_bow_text *t, int64_t n, qn_bow_result *out) {
    qn_assert(n >= QN_BOW_FOLDS);
    bag b = {.text = t, .n = n};
    lexicon l = {0};
    int rc = 0;
    b.from = qn_zalloc(QN_MEM_SCRATCH, (size_t)n + 1, sizeof *b.from);
    if (!b.from)
        return QN_ENOMEM;
    QN_TRY_OUT(read_texts(&b, &l));
    b.weight = qn_zalloc(QN_MEM_SCRATCH, (size_t)b.words + 1, sizeof *b.weight);
    b.count = qn_zalloc(QN_MEM_SCRATCH, (size_t)b.words + 1, 2 * sizeof *b.count);
    b.seen = qn_zalloc(QN_MEM_SCRATCH, (size_t)b.words + 1, sizeof *b.seen);
    if (!b.weight || !b.count || !b.seen) {
        rc = QN_ENOMEM;
        goto out;
    }
    make_distinct(&b);
    *out = (qn_bow_result){0, 0};
    for (int fold = 0; fold < QN_BOW_FOLDS; fold++) {
        out->bayes += bayes_fold(&b, fold) / (double)n;
        out->logistic += logistic_fold(&b, fold) / (double)n;
    }
out:
    for (size_t i = 0; i < l.n; i++)
        qn_free(l.own[i]);
    qn_free(l.own);
    qn_strmap_drop(&l.map);
    qn_free(b.from);
    qn_free(b.ids);
    qn_free(b.weight);
    qn_free(b.count);
    qn_free(b.seen);
    return rc;
}
