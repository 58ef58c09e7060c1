/* eval/cooc_scorer.c — co-occurrence as a scorer: a choice is good where it often stands near the context's own words.
 *
 *     context  Marin Belling is known to keep          anchors   Marin · Marin Belling · Belling is · known to keep …
 *     choice   a goose                                 value     a goose
 *
 * Anchors are runs of words of the context that occur in the training text: of two or three words that all begin with
 * a capital, which are names where a script has capitals; where there are none, of one such word; then of two or three
 * words of any kind, then single ones. The ANCHORS rarest of the first kind that there is speak together, each with the
 * weight of its rarity. b is the share of all places that have the value near them anyway:
 *
 *     score(v) = Σ w(a)·(near(a, v) + b(v)) / Σ w(a)·(n(a) + 1)          w = ln(tokens / n(a))²
 *
 * near counts the n places of a with v at most WINDOW tokens before or after, in the same document. This sees neither
 * order nor grammar, and yet, of a name that stands beside its trade a hundred times, all that recall asks for. A word
 * is looked for as it is spelled at the begin of a line and inside one, the two of which are different tokens. */
#include "eval/baselines.h"

#include <string.h>

#include "num/math.h"

enum { WINDOW = 16, RUN = 3, ANCHORS = 3, CONTEXT = 1 << 16, CHUNK = 1 << 16, CACHED = 4096 };

typedef struct {
    double weight;
    qn_places places;
} anchor;

/* A value that was asked for: the same ones are, again and again. */
typedef struct { char *text; qn_places places; } value;

typedef struct {
    qn_cooc *index;
    const qn_tok *tok;
    qn_buf context, words, spelled, said;       /* texts: of the context that the anchors are of; being worked on */
    qn_ids ids;
    anchor anchor[ANCHORS];
    int anchors;
    value *value; size_t values, cap_values;
    qn_strmap by_text;
} scorer;

/* ---- words ---- */

static bool in_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (unsigned char)c >= 0x80 ||
           c == '\'' || c == '-';
}

/* The next word at or behind *at; false where there is none. */
static bool next_word(qn_str text, size_t *at, qn_str *word) {
    while (*at < text.n && !in_word(text.s[*at]))
        ++*at;
    const size_t from = *at;
    while (*at < text.n && in_word(text.s[*at]))
        ++*at;
    *word = (qn_str){text.s + from, *at - from};
    return word->n > 0;
}

/* The ids of a text, with a blank before it or without. */
static int spell(scorer *s, qn_str text, bool blank) {
    qn_buf_clear(&s->spelled);
    qn_ids_clear(&s->ids);
    if (blank)
        QN_TRY(qn_buf_putc(&s->spelled, ' '));
    QN_TRY(qn_buf_put(&s->spelled, text.s, text.n));
    return qn_tok_encode(s->tok, s->spelled.s, s->spelled.n, QN_TOK_PLAIN, &s->ids);
}

static int count(scorer *s, qn_str text, int64_t *n) {
    *n = 0;
    for (int blank = 0; blank < 2; blank++) {
        QN_TRY(spell(s, text, blank));
        if (s->ids.n)
            *n += qn_cooc_count(s->index, s->ids.v, (int64_t)s->ids.n);
    }
    return 0;
}

static int find(scorer *s, qn_str text, qn_places *places) {
    places->n = 0;
    for (int blank = 0; blank < 2; blank++) {
        QN_TRY(spell(s, text, blank));
        if (s->ids.n)
            QN_TRY(qn_cooc_find(s->index, s->ids.v, (int64_t)s->ids.n, places));
    }
    return 0;
}

/* ---- anchors of a context ---- */

typedef struct { qn_str text; int64_t n; } candidate;

/* Keeps the rarest, in ascending order; of equally rare ones the earlier, and each text once. */
static void keep(candidate *best, int *kept, candidate c) {
    int at = *kept;
    for (int i = 0; i < *kept; i++)
        if (qn_str_eq(best[i].text, c.text))
            return;
    while (at > 0 && best[at - 1].n > c.n)
        at--;
    if (at == ANCHORS)
        return;
    *kept = QN_MIN(*kept + 1, ANCHORS);
    memmove(best + at + 1, best + at, (size_t)(*kept - at - 1) * sizeof *best);
    best[at] = c;
}

/* Kinds of runs, the most telling first. */
typedef struct { bool capitals; int least, most; } kind;
static const kind kinds[] = {{true, 2, RUN}, {true, 1, 1}, {false, 2, RUN}, {false, 1, 1}};

static bool begins_high(qn_str word) { return word.s[0] >= 'A' && word.s[0] <= 'Z'; }

/* All runs of a kind that occur in the training text. */
static int gather(scorer *s, qn_str text, const kind *k, candidate best[ANCHORS], int *kept) {
    qn_str run[RUN] = {{NULL, 0}}, word;
    int length = 0;
    for (size_t at = 0; next_word(text, &at, &word);) {
        const bool joined = length > 0 && run[length - 1].s + run[length - 1].n + 1 == word.s && word.s[-1] == ' ';
        if (!joined || (k->capitals && !begins_high(word)))
            length = 0;
        if (k->capitals && !begins_high(word))
            continue;
        if (length == k->most)
            memmove(run, run + 1, (size_t)--length * sizeof *run);
        run[length++] = word;
        for (int i = 0; i + k->least <= length; i++) {
            candidate c = {{run[i].s, (size_t)(word.s + word.n - run[i].s)}, 0};
            QN_TRY(count(s, c.text, &c.n));
            if (c.n > 0)
                keep(best, kept, c);
        }
    }
    return 0;
}

/* Anchors stay while the context does: choices of one question come one after the other. */
static int take_context(scorer *s, const int32_t *ids, int64_t n) {
    candidate best[ANCHORS];
    int kept = 0;
    qn_buf_clear(&s->said);
    QN_TRY(qn_tok_decode(s->tok, ids, (size_t)n, QN_TOK_SKIP_SPECIAL, &s->said));
    if (s->anchors >= 0 && qn_str_eq(qn_buf_view(&s->said), qn_buf_view(&s->context)))
        return 0;
    s->anchors = -1;
    qn_buf_clear(&s->context);
    QN_TRY(qn_buf_put(&s->context, s->said.s, s->said.n));
    for (size_t i = 0; i < QN_LEN(kinds) && kept == 0; i++)
        QN_TRY(gather(s, qn_buf_view(&s->context), &kinds[i], best, &kept));
    for (int i = 0; i < kept; i++) {
        const double rarity = qn_ln((double)qn_cooc_tokens(s->index) / (double)best[i].n);
        s->anchor[i].weight = rarity * rarity;
        QN_TRY(find(s, best[i].text, &s->anchor[i].places));
    }
    s->anchors = kept;
    return 0;
}

/* ---- values ---- */

static void forget_values(scorer *s) {
    for (size_t i = 0; i < s->values; i++) {
        qn_free(s->value[i].text);
        qn_places_drop(&s->value[i].places);
    }
    s->values = 0;
    qn_strmap_drop(&s->by_text);
}

static int add_value(scorer *s, qn_str text) {
    if (s->values == CACHED)
        forget_values(s);
    QN_TRY(QN_GROW(QN_MEM_SESSION, s->value, s->cap_values, s->values + 1));
    value *v = &s->value[s->values];
    *v = (value){.text = qn_str_dup(QN_MEM_SESSION, text)};
    if (!v->text)
        return QN_ENOMEM;
    s->values++;
    QN_TRY(find(s, (qn_str){v->text, text.n}, &v->places));
    return qn_strmap_put(&s->by_text, (qn_str){v->text, text.n}, (int64_t)s->values - 1);
}

/* The places of what is asked for, without blanks and points around it; valid until the next call. */
static int take_value(scorer *s, const int32_t *ids, int64_t n, const qn_places **out) {
    int64_t at;
    qn_buf_clear(&s->words);
    QN_TRY(qn_tok_decode(s->tok, ids, (size_t)n, QN_TOK_SKIP_SPECIAL, &s->words));
    qn_str text = qn_buf_view(&s->words);
    while (text.n && !in_word(text.s[0])) {
        text.s++;
        text.n--;
    }
    while (text.n && !in_word(text.s[text.n - 1]))
        text.n--;
    if (!qn_strmap_get(&s->by_text, text, &at)) {
        QN_TRY(add_value(s, text));
        at = (int64_t)s->values - 1;
    }
    *out = &s->value[at].places;
    return 0;
}

/* ---- the score ---- */

static double rate(const scorer *s, const qn_places *v) {
    const double tokens = (double)qn_cooc_tokens(s->index);
    const double anyway = QN_MIN(1, (2 * WINDOW + 1) * ((double)v->n + 0.1) / tokens);
    double sum = 0, weights = 0;
    for (int i = 0; i < s->anchors; i++) {
        const anchor *a = &s->anchor[i];
        const double near = (double)qn_places_near(&a->places, v, WINDOW);
        sum += a->weight * (near + anyway);
        weights += a->weight * ((double)a->places.n + 1);
    }
    return weights > 0 ? sum / weights : anyway;
}

static int score(void *self, const qn_score_request *r, int64_t n, qn_score *out) {
    scorer *s = self;
    for (int64_t i = 0; i < n; i++) {
        const qn_places *v;
        if (r[i].from < 1 || r[i].from >= r[i].n)
            return qn_fail(QN_EINVAL, "a request of %lld tokens, of which those from %lld on are asked for",
                           (long long)r[i].n, (long long)r[i].from);
        QN_TRY(take_context(s, r[i].ids, r[i].from));
        QN_TRY(take_value(s, r[i].ids + r[i].from, r[i].n - r[i].from, &v));
        out[i] = (qn_score){.logprob = qn_ln(QN_MIN(1, rate(s, v)))};
    }
    return 0;
}

/* ---- life ---- */

void qn_cooc_scorer_drop(qn_scorer *out) {
    scorer *s = out->self;
    if (s) {
        forget_values(s);
        for (int i = 0; i < ANCHORS; i++)
            qn_places_drop(&s->anchor[i].places);
        qn_free(s->value);
        qn_cooc_free(s->index);
        qn_buf_drop(&s->context);
        qn_buf_drop(&s->words);
        qn_buf_drop(&s->spelled);
        qn_buf_drop(&s->said);
        qn_ids_drop(&s->ids);
        qn_free(s);
    }
    *out = (qn_scorer){0};
}

static int read_documents(scorer *s, const qn_dataset *d) {
    const qn_split_info train = qn_dataset_info(d, QN_SPLIT_TRAIN);
    int32_t *ids = qn_alloc(QN_MEM_SCRATCH, CHUNK * sizeof *ids);
    int rc = ids ? 0 : QN_ENOMEM;
    for (int64_t i = 0; rc >= 0 && i < train.documents; i++) {
        int64_t from, n;
        qn_dataset_document(d, QN_SPLIT_TRAIN, i, &from, &n);
        for (int64_t at = 0; rc >= 0 && at < n; at += CHUNK) {
            const int64_t part = QN_MIN(n - at, CHUNK);
            rc = qn_dataset_read(d, QN_SPLIT_TRAIN, from + at, part, ids);
            if (rc >= 0)
                rc = qn_cooc_add(s->index, ids, part);
        }
        qn_cooc_end(s->index);
    }
    qn_free(ids);
    return rc;
}

int qn_cooc_scorer_init(qn_scorer *out, const char *name, const qn_dataset *d, const qn_tok *tok) {
    scorer *s = qn_zalloc(QN_MEM_SESSION, 1, sizeof *s);
    *out = (qn_scorer){0};
    if (!s)
        return QN_ENOMEM;
    *out = (qn_scorer){
        .name = name, .tok = tok, .context = CONTEXT, .self = s,
        .prefix = qn_tok_bos(tok) >= 0 ? qn_tok_bos(tok) : qn_tok_eos(tok), .score = score,
    };
    s->tok = tok;
    s->anchors = -1;
    int rc = qn_cooc_new(&s->index, qn_dataset_vocab(d));
    if (rc >= 0)
        rc = read_documents(s, d);
    if (rc >= 0)
        rc = qn_cooc_index(s->index);
    if (rc < 0)
        qn_cooc_scorer_drop(out);
    return rc;
}
