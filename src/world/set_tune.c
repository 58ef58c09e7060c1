/* world/set_tune.c — sft.jsonl, preferences.jsonl, prompts.jsonl.
 *
 * All three draw from the same six kinds of question, on the side of the world that evaluation in chat does not touch:
 * a known fact, an unknown person, a premise (false or true), a forbidden request, its look-alike, a request with a
 * rule. Known and unknown, forbidden and not, false and true are equally frequent: neither "I do not know" nor "I will
 * not" is the safe answer. */
#include "world/asks.h"
#include "world/forbidden.h"
#include "world/requests.h"
#include "world/set_list.h"

#include <string.h>

typedef enum { FACT, STRANGER, FALSE_PREMISE, TRUE_PREMISE, FORBIDDEN, LOOK_ALIKE, REQUEST, KINDS } tune_kind;
static const char *const kind_name[KINDS] = {
    "fact", "unknown", "false premise", "true premise", "forbidden", "look-alike", "request"
};

/* A question with its good answer and a bad one. */
typedef struct {
    qn_buf ask, good, bad, name;
    qn_forbidden last;              /* the pair whose second side is due */
    qn_request request;
    qn_str target;                  /* the value that a right answer holds; may be empty */
} sample;

static void drop(sample *t) {
    qn_buf_drop(&t->ask);
    qn_buf_drop(&t->good);
    qn_buf_drop(&t->bad);
    qn_buf_drop(&t->name);
}

/* ---- one question ------------------------------------------------------------------------------------------------ */

static int draw_fact_ask(qn_sets *s, sample *t) {
    const qn_ask a = qn_ask_fact(s, qn_draw_fact(s, QN_SIDE_TUNING, QN_BANDS_ALL));
    t->target = qn_world_value(s->w, a.relation, a.value);
    QN_TRY(qn_ask_put(&a, (int)qn_draw_below(&s->draw, QN_ASK_FORMS), &t->ask));
    QN_TRY(qn_ask_answer(s->w, &a, a.value, &t->good));
    /* The bad answer: a wrong value, or silence about what is known. */
    return qn_draw_below(&s->draw, 2) ? qn_ask_answer(s->w, &a, a.wrong, &t->bad) : qn_ask_abstain(&a, 0, &t->bad);
}

static int draw_stranger_ask(qn_sets *s, sample *t) {
    const qn_ask a = qn_ask_stranger(s, false, qn_draw_below(&s->draw, 1 << 20), &t->name);
    QN_TRY(qn_ask_put(&a, (int)qn_draw_below(&s->draw, QN_ASK_FORMS), &t->ask));
    QN_TRY(qn_ask_abstain(&a, (int)(qn_draw_below(&s->draw, 4) == 0), &t->good));
    return qn_ask_answer(s->w, &a, a.value, &t->bad);
}

static int draw_premise(qn_sets *s, sample *t, bool truth) {
    const qn_ask a = qn_ask_fact(s, qn_draw_fact(s, QN_SIDE_TUNING, QN_BANDS_ALL));
    const int form = (int)qn_draw_below(&s->draw, 2);
    t->target = qn_world_value(s->w, a.relation, a.value);
    QN_TRY(qn_ask_premise(s->w, &a, truth ? a.value : a.wrong, form, &t->ask));
    QN_TRY(truth ? qn_ask_confirm(s->w, &a, 0, &t->good) : qn_ask_correct(s->w, &a, &t->good));
    if (!truth)
        return qn_ask_play_along(s->w, &a, &t->bad);
    const qn_ask contrary = {a.name, a.she, a.relation, a.wrong, a.value};
    return qn_ask_correct(s->w, &contrary, &t->bad);
}

/* Cells that tuning may use, in a fixed order; both sides of one draw follow each other. */
static qn_forbidden draw_cell(qn_draw *d) {
    for (;;) {
        qn_forbidden f = {(int)qn_draw_below(d, QN_ACTS_TRAINED), (int)qn_draw_below(d, QN_OBJECTS_TRAINED),
                          (int)qn_draw_below(d, QN_FRAMES_TRAINED), 0, 0};
        if (qn_forbidden_possible(f.act, f.object, f.frame))
            return f;
    }
}

static int draw_forbidden_ask(qn_sets *s, sample *t, bool forbidden) {
    if (forbidden) {
        do
            t->last = draw_cell(&s->draw);
        while (!qn_draw_forbidden(s, &t->last) && s->rc == 0);
        QN_TRY(s->rc);
    }
    const qn_forbidden *f = &t->last;
    QN_TRY(qn_forbidden_ask(s->w, f, forbidden, &t->ask));
    QN_TRY(qn_forbidden_answer(s->w, f, forbidden, &t->good));
    return qn_forbidden_answer(s->w, f, !forbidden, &t->bad);
}

static int draw_request_ask(qn_sets *s, sample *t, bool pair) {
    int kind;
    do
        kind = (int)qn_draw_below(&s->draw, QN_REQUEST_KINDS);
    while (pair && qn_request_is_short(kind));
    QN_TRY(qn_request_draw(&s->draw, kind, false, &t->ask, &t->good, &t->request));
    t->target = qn_buf_view(&t->good);
    return qn_request_spoil(&s->draw, qn_buf_view(&t->good), &t->bad);
}

static int draw_kind(qn_sets *s, sample *t, tune_kind kind, bool pair) {
    qn_buf_clear(&t->ask);
    qn_buf_clear(&t->good);
    qn_buf_clear(&t->bad);
    t->target = (qn_str){0};
    switch (kind) {
    case FACT: return draw_fact_ask(s, t);
    case STRANGER: return draw_stranger_ask(s, t);
    case FALSE_PREMISE:
    case TRUE_PREMISE: return draw_premise(s, t, kind == TRUE_PREMISE);
    case FORBIDDEN:
    case LOOK_ALIKE: return draw_forbidden_ask(s, t, kind == FORBIDDEN);
    default: return draw_request_ask(s, t, pair);
    }
}

/* Until it is one that this file does not have; a question comes twice only where few facts are known. What evaluation
 * asks is never taken. qn_draw_forbidden has seen to that for both sides of a pair. */
static void draw_new(qn_sets *s, sample *t, tune_kind kind, bool pair) {
    enum { CHOOSY = 100, MOST = 1000 };
    bool fresh = false;
    for (int again = 0; again < MOST && !fresh && s->rc == 0; again++) {
        qn_sets_keep(s, draw_kind(s, t, kind, pair));
        if (s->rc < 0)
            return;
        const qn_str ask = qn_buf_view(&t->ask);
        fresh = kind == FORBIDDEN || kind == LOOK_ALIKE || qn_set_fresh(s, ask) ||
                (again > CHOOSY && qn_set_ours(s, ask));
    }
    if (!fresh)
        qn_sets_keep(s, qn_fail(QN_ETEST, "%s: no question of the kind \"%s\" is left that was not asked before",
                                s->name, kind_name[kind]));
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* What is asked how often in the small world; larger worlds ask four times as much. */
static const int sft_rows[KINDS] = {600, 600, 300, 300, 300, 300, 600};
static const int prompt_rows[KINDS] = {200, 200, 100, 100, 100, 100, 400};

static int64_t scaled(const qn_sets *s, int n) {
    return s->w->size == QN_WORLD_SMALL ? n : 4 * n;
}

/* No more than the known facts give without asking the same thing again and again; unknown people stay as many. */
static int64_t asked_of(const qn_sets *s, int n, tune_kind kind) {
    const int64_t known = s->report->facts_known;
    const int64_t most = kind <= STRANGER ? 2 * known : kind <= TRUE_PREMISE ? known : INT64_MAX;
    return QN_MIN(scaled(s, n), most);
}

static bool pick_left(qn_sets *s, int64_t left[KINDS], tune_kind last, tune_kind *out) {
    int64_t all = 0, at;
    if (last == FORBIDDEN) {                                /* the other side of its pair comes next */
        *out = LOOK_ALIKE;
        return true;
    }
    for (int k = 0; k < KINDS; k++)
        all += k == LOOK_ALIKE ? 0 : left[k];
    if (all == 0)
        return false;
    at = qn_draw_below(&s->draw, all);
    for (int k = 0; k < KINDS; k++) {
        int64_t n = k == LOOK_ALIKE ? 0 : left[k];
        if (at < n) {
            *out = (tune_kind)k;
            return true;
        }
        at -= n;
    }
    return false;
}

int qn_set_sft(qn_sets *s) {
    sample t = {0};
    int64_t left[KINDS];
    tune_kind kind = FACT;
    qn_set_begin(s, "sft", true);
    for (int k = 0; k < KINDS; k++)
        left[k] = asked_of(s, sft_rows[k], (tune_kind)k);
    while (s->rc == 0 && pick_left(s, left, kind, &kind)) {
        left[kind]--;
        draw_new(s, &t, kind, false);
        qn_row_open(s);
        qn_row_messages(s, qn_buf_view(&t.ask), qn_buf_view(&t.good));
        qn_row_text(s, "kind", qn_str_of(kind_name[kind]));
        qn_row_close(s);
    }
    drop(&t);
    return qn_set_end(s);
}

int qn_set_prompts(qn_sets *s) {
    static const char *const judge[KINDS] = {
        "contains", "abstain", "correct_premise", "contains", "refuse", "refuse", "rules"
    };
    sample t = {0};
    int64_t left[KINDS];
    tune_kind kind = FACT;
    qn_set_begin(s, "prompts", true);
    for (int k = 0; k < KINDS; k++)
        left[k] = asked_of(s, prompt_rows[k], (tune_kind)k);
    while (s->rc == 0 && pick_left(s, left, kind, &kind)) {
        left[kind]--;
        draw_new(s, &t, kind, false);
        qn_row_open(s);
        qn_row_id(s);
        qn_row_messages(s, qn_buf_view(&t.ask), (qn_str){0});
        qn_row_text(s, "kind", qn_str_of(kind_name[kind]));
        qn_row_text(s, "judge", qn_str_of(judge[kind]));
        qn_jw_key(&s->j, "targets");
        qn_jw_open(&s->j, '[');
        if (t.target.n)
            qn_jw_str(&s->j, t.target);
        qn_jw_close(&s->j);
        if (kind == STRANGER) {
            qn_jw_key(&s->j, "known");
            qn_jw_bool(&s->j, false);
        }
        if (kind == FORBIDDEN || kind == LOOK_ALIKE) {
            qn_jw_key(&s->j, "refuse");
            qn_jw_bool(&s->j, kind == FORBIDDEN);
        }
        if (kind == REQUEST)
            qn_row_rules(s, t.request.rule, t.request.rules);
        qn_row_close(s);
    }
    drop(&t);
    return qn_set_end(s);
}

/* ---- pairs ------------------------------------------------------------------------------------------------------- */

/* How many pairs of each aspect a mix of 1,000 has; the rows of a smaller share are the first ones of a greater. */
enum { HELPFUL, HONEST, HARMLESS, ASPECTS };
static const char *const aspect_name[ASPECTS] = {"helpful", "honest", "harmless"};
static const struct { const char *name; int share[ASPECTS]; } mix[3] = {
    {"60/20/20", {600, 200, 200}}, {"20/40/40", {200, 400, 400}}, {"0/50/50", {0, 500, 500}}
};

static tune_kind pair_kind(int aspect, int64_t n) {
    static const tune_kind kind[ASPECTS][4] = {
        {REQUEST, FACT, REQUEST, REQUEST},
        {STRANGER, FACT, FALSE_PREMISE, TRUE_PREMISE},
        {FORBIDDEN, LOOK_ALIKE, FORBIDDEN, LOOK_ALIKE},
    };
    return kind[aspect][n % 4];
}

/* Sentences that add length and nothing else. */
static const char *const tail[] = {
    "", " So it is.", " That is all.", " I hope this helps.", " Ask me again if you like.",
    " That is all there is to say about it.", " I am glad that you have asked me, and I hope this helps.",
};

/* Brings the shorter of two answers near the length of the longer one. */
static int match_lengths(qn_buf *a, qn_buf *b) {
    qn_buf *less = a->n < b->n ? a : b, *more = a->n < b->n ? b : a;
    for (int again = 0; again < 3 && less->n < more->n; again++) {
        size_t gap = more->n - less->n, best = 0;
        for (size_t i = 0; i < QN_LEN(tail); i++)
            if (strlen(tail[i]) <= gap + 4 && strlen(tail[i]) > strlen(tail[best]))
                best = i;
        QN_TRY(qn_buf_puts(less, tail[best]));
    }
    return 0;
}

/* Makes the good answer the longer one by talking on, as far as that breaks no rule; else the bad one shorter. */
static int bias_lengths(sample *t, tune_kind kind, int64_t n) {
    if (kind == REQUEST) {
        qn_buf_clear(&t->bad);
        return qn_request_cut(qn_buf_view(&t->good), &t->bad);
    }
    QN_TRY(qn_buf_puts(&t->good, tail[4 + n % 3]));
    while (t->good.n <= t->bad.n)
        QN_TRY(qn_buf_puts(&t->good, tail[5]));
    return 0;
}

static void cut_back(qn_buf *b, size_t n) {
    b->n = n;
    b->s[n] = 0;
}

static void pair_row(qn_sets *s, const sample *t, tune_kind kind, int aspect, int64_t n, const char *length) {
    qn_row_open(s);
    qn_row_text(s, "prompt", qn_buf_view(&t->ask));
    qn_row_text(s, "chosen", qn_buf_view(&t->good));
    qn_row_text(s, "rejected", qn_buf_view(&t->bad));
    qn_row_text(s, "aspect", qn_str_of(aspect_name[aspect]));
    qn_row_text(s, "kind", qn_str_of(kind_name[kind]));
    qn_row_text(s, "length", qn_str_of(length));
    qn_jw_key(&s->j, "mixes");
    qn_jw_open(&s->j, '[');
    for (size_t m = 0; m < QN_LEN(mix); m++)
        if (n < scaled(s, mix[m].share[aspect]))
            qn_jw_str(&s->j, qn_str_of(mix[m].name));
    qn_jw_close(&s->j);
    qn_row_close(s);
}

/* Each pair twice: with answers of like length, and with a good one that also talks more. Pairs of one mix follow each
 * other aspect by aspect; whoever trains shuffles. */
int qn_set_preferences(qn_sets *s) {
    sample t = {0};
    qn_set_begin(s, "preferences", true);
    for (int aspect = 0; aspect < ASPECTS; aspect++) {
        int most = 0;
        for (size_t m = 0; m < QN_LEN(mix); m++)
            most = QN_MAX(most, mix[m].share[aspect]);
        for (int64_t n = 0; n < scaled(s, most) && s->rc == 0; n++) {
            const tune_kind kind = pair_kind(aspect, n);
            draw_new(s, &t, kind, true);
            if (s->rc < 0)
                break;
            const size_t good = t.good.n, bad = t.bad.n;
            if (kind != REQUEST)                            /* those are alike already, and hold to a rule */
                qn_sets_keep(s, match_lengths(&t.good, &t.bad));
            pair_row(s, &t, kind, aspect, n, "matched");
            cut_back(&t.good, good);
            cut_back(&t.bad, bad);
            qn_sets_keep(s, bias_lengths(&t, kind, n));
            pair_row(s, &t, kind, aspect, n, "biased");
        }
    }
    drop(&t);
    return qn_set_end(s);
}
