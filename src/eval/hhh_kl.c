/* eval/hhh_kl.c — how far a model's distributions are from a reference's, along the reference's own answers.
 *
 *     ids of the reference    a b c d e │ f         a tuned model has tokens that its base has not, or the other
 *     ids of the model        a b c d e │           way round: KL is of what both say of the tokens that both have,
 *                             ─────────   ─         each made to sum to 1; what lies outside is told beside it
 *                             compared    outside
 */
#include <math.h>

#include "eval/encode.h"
#include "eval/hhh.h"
#include "eval/row_pair.h"
#include "num/math.h"

typedef struct {
    qn_row_pairs pairs;                         /* a: the model, b: the reference */
    qn_encoder e;
    int32_t *id; int64_t ids;                   /* compared; all of the rows where ids == Va == Vb */
    bool *shared;                               /* [V] */
    float *a, *b;                               /* [ids] */
    double outside_a, outside_b;                /* sums over rows */
    int64_t left_out;
    double *kl, *tokens; int64_t n; size_t kl_cap, tokens_cap;      /* of each item */
} kl_run;

static bool whole(const kl_run *k) { return k->ids == k->pairs.Va && k->ids == k->pairs.Vb; }

/* Spelled alike in both, or a row that no token has in either. */
static int find_shared(kl_run *k, const qn_tok *a, const qn_tok *b) {
    const int64_t V = k->pairs.V;
    k->id = qn_alloc(QN_MEM_BASE, (size_t)V * sizeof *k->id);
    k->shared = qn_alloc(QN_MEM_BASE, (size_t)V * sizeof *k->shared);
    if (!k->id || !k->shared)
        return QN_ENOMEM;
    for (int32_t id = 0; id < V; id++) {
        k->shared[id] = qn_str_eq(qn_tok_text(a, id), qn_tok_text(b, id));
        if (k->shared[id])
            k->id[k->ids++] = id;
    }
    k->a = qn_alloc(QN_MEM_BASE, (size_t)QN_MAX(k->ids, 1) * sizeof *k->a);
    k->b = qn_alloc(QN_MEM_BASE, (size_t)QN_MAX(k->ids, 1) * sizeof *k->b);
    return k->a && k->b ? 0 : QN_ENOMEM;
}

/* The share of a distribution that lies on other ids; those that are shared go into `kept`. */
static double take_shared(const kl_run *k, const float *row, int64_t V, float *kept) {
    double all = 0, inside = 0, top = (double)row[0];
    for (int64_t i = 1; i < V; i++)
        top = QN_MAX(top, (double)row[i]);
    for (int64_t i = 0; i < V; i++)
        all += qn_exp((double)row[i] - top);
    for (int64_t i = 0; i < k->ids; i++) {
        kept[i] = row[k->id[i]];
        inside += qn_exp((double)kept[i] - top);
    }
    return QN_MAX(0, 1 - inside / all);
}

static int add_row(void *arg, QN_UNUSED int64_t position, const float *a, const float *b) {
    kl_run *k = arg;
    qn_row_pair x;
    if (whole(k)) {
        x = qn_row_pair_of(a, b, k->ids);
    } else {
        k->outside_a += take_shared(k, a, k->pairs.Va, k->a);
        k->outside_b += take_shared(k, b, k->pairs.Vb, k->b);
        x = qn_row_pair_of(k->a, k->b, k->ids);
    }
    if (!x.numbers)
        return qn_fail(QN_EFORMAT, "logits that are no finite numbers");
    k->kl[k->n] += x.kl;
    k->tokens[k->n]++;
    return 0;
}

/* How many of the first ids mean the same to both. */
static int64_t understood(const kl_run *k, const qn_ids *ids, int64_t n) {
    int64_t i = 0;
    while (i < n && ids->v[i] < k->pairs.V && k->shared[ids->v[i]])
        i++;
    return i;
}

/* One conversation with the reference's answer: the rows that predict it, and its end. */
static int add_item(kl_run *k, const qn_scorer *reference, const qn_item_result *i, int64_t context) {
    qn_encoded enc;
    qn_ids *ids = &k->e.ids;
    QN_TRY(QN_GROW(QN_MEM_BASE, k->kl, k->kl_cap, (size_t)k->n + 1));
    QN_TRY(QN_GROW(QN_MEM_BASE, k->tokens, k->tokens_cap, (size_t)k->n + 1));
    k->kl[k->n] = k->tokens[k->n] = 0;
    qn_ids_clear(ids);
    QN_TRY(qn_encode_chat_prompt(&k->e, reference, i->item->messages, i->item->max_tokens, &enc));
    const int64_t from = (int64_t)ids->n - 1;
    QN_TRY(qn_tok_encode(reference->tok, i->answer.s ? i->answer.s : "", i->answer.n, QN_TOK_PLAIN, ids));
    const int64_t n = understood(k, ids, QN_MIN((int64_t)ids->n, context));
    if (n > from)
        QN_TRY(qn_row_pairs_feed(&k->pairs, ids->v, n, from, add_row, k));
    else
        k->left_out++;
    k->n += k->tokens[k->n] > 0;
    return 0;
}

static int add_all(kl_run *k, const qn_scorer *reference, const qn_hhh_answers *answers, int64_t items,
                   int64_t context) {
    for (int t = 0; t < QN_HHH_ASKED; t++) {
        const qn_task_result *r = &answers->task[t];
        const int64_t n = items > 0 ? QN_MIN(items, r->n) : r->n;
        for (int64_t i = 0; !r->left_out && i < n; i++)
            if (r->item[qn_spread(i, n, r->n)].item->messages.s)
                QN_TRY(add_item(k, reference, &r->item[qn_spread(i, n, r->n)], context));
    }
    return 0;
}

static int sum_up(const kl_run *k, const qn_eval_options *o, qn_hhh_kl *out) {
    double kl = 0, tokens = 0;
    for (int64_t i = 0; i < k->n; i++) {
        kl += k->kl[i];
        tokens += k->tokens[i];
    }
    out->n = k->n;
    out->tokens = (int64_t)tokens;
    out->ids = k->ids;
    out->ids_model = k->pairs.Va;
    out->ids_reference = k->pairs.Vb;
    out->left_out = k->left_out;
    if (k->n == 0)
        return 0;
    out->mean = kl / tokens;
    out->outside = k->outside_a / tokens;
    out->outside_reference = k->outside_b / tokens;
    return qn_bootstrap(k->kl, k->tokens, k->n, o->seed, o->draws > 0 ? o->draws : QN_BOOTSTRAP_DRAWS, &out->in);
}

int qn_hhh_kl_run(const qn_scorer *reference, qn_session *reference_session, const qn_hhh_answers *reference_answers,
                  const qn_tok *tok, qn_session *session, int64_t items, const qn_eval_options *o, qn_hhh_kl *out) {
    kl_run k = {0};
    int rc;
    *out = (qn_hhh_kl){.mean = NAN, .in = {NAN, NAN}};
    if (!reference->render)
        return 0;
    const int64_t context = QN_MIN(qn_session_context(reference_session), qn_session_context(session));
    qn_session_reset(reference_session);
    qn_session_reset(session);
    QN_TRY_OUT(qn_row_pairs_init(&k.pairs, session, reference_session));
    QN_TRY_OUT(find_shared(&k, tok, reference->tok));
    QN_TRY_OUT(add_all(&k, reference, reference_answers, items, context));
    rc = sum_up(&k, o, out);
out:
    qn_row_pairs_drop(&k.pairs);
    qn_encoder_drop(&k.e);
    qn_free(k.id);
    qn_free(k.shared);
    qn_free(k.a);
    qn_free(k.b);
    qn_free(k.kl);
    qn_free(k.tokens);
    return rc;
}
