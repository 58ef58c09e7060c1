/* train/preference.c — passes over answers that are judged.
 *
 *     row      | prompt chosen | prompt rejected | prompt chosen | prompt rejected |      pieces 2i, 2i + 1: a pair
 *                 ↓ forward        ↓
 *              Σ ln p            Σ ln p       and the reference's   ─► objective ─► loss, slopes
 *                 ↓ weigh          ↓
 *              backward, from −slope/pairs on every token of the piece
 *
 * Each pair stands in one row, so a pass knows all it needs, and passes add up whatever their size. Labelled answers
 * have their mismatch as second piece. KTO asks for the mean over the whole batch before it judges the first:
 * mismatches of all passes run first, forward alone, then the answers. */
#include <math.h>
#include <string.h>

#include "train/train_impl.h"

/* ---- life ---- */

int qn_preference_new(qn_trainer *t, int64_t batch, int64_t pieces) {
    qn_preference *j = &t->judge;
    j->on = qn_recipe_judges(&t->recipe);
    j->kind = qn_objective_get(t->recipe.objective.kind);
    j->pieces = pieces;
    if (!j->on)
        return 0;
    j->example = qn_zalloc(QN_MEM_ACTS, (size_t)(batch * pieces), sizeof *j->example);
    j->view = qn_zalloc(QN_MEM_ACTS, (size_t)t->pass, sizeof *j->view);
    j->piece = qn_zalloc(QN_MEM_ACTS, (size_t)(t->pass * pieces), sizeof *j->piece);
    return j->example && j->view && j->piece ? 0 : QN_ENOMEM;
}

void qn_preference_free(qn_trainer *t) {
    qn_preference *j = &t->judge;
    qn_reference_drop(&j->reference);
    qn_free(j->example);
    qn_free(j->view);
    qn_free(j->piece);
}

/* ---- rows ---- */

static bool labels(const qn_trainer *t) { return t->judge.kind->from == QN_LEARNS_LABELS; }

int qn_trainer_row(qn_trainer *t, qn_rows *rows, int64_t number, int64_t i) {
    QN_TRY(qn_rows_get(rows, number, &t->row[i]));
    for (int64_t p = 0; t->judge.on && p < t->row[i].pieces; p++)
        t->judge.example[i * t->judge.pieces + p] = qn_rows_piece_from(rows, p);
    return 0;
}

int64_t qn_preference_answers(const qn_trainer *t, int64_t i) { return t->row[i].pieces / 2; }

/* Mismatches are only looked at. */
int64_t qn_trainer_tokens(const qn_trainer *t, int64_t i) {
    const qn_row_data *row = &t->row[i];
    int64_t n = 0;
    for (int64_t p = 0; p < row->pieces; p++)
        for (int64_t k = 0; k < row->piece[p].n; k++)
            n += row->targets[row->piece[p].start + k] >= 0 && !(t->judge.on && labels(t) && p % 2);
    return n;
}

/* Rows of a pass with those pieces only that are answers to the prompt, or mismatches. */
static const qn_row_data *only(qn_trainer *t, int64_t first, int64_t n, int which) {
    qn_preference *j = &t->judge;
    for (int64_t r = 0; r < n; r++) {
        const qn_row_data *row = &t->row[first + r];
        j->view[r] = *row;
        j->view[r].piece = j->piece + r * j->pieces;
        j->view[r].pieces = row->pieces / 2;
        for (int64_t i = 0; i < row->pieces / 2; i++)
            j->view[r].piece[i] = row->piece[2 * i + which];
    }
    return j->view;
}

/* The answer that a piece of the last pass is: part k of its example. */
static qn_scored answer_of(const qn_trainer *t, qn_split split, const qn_engine_piece *p, int64_t example, int k) {
    const double *sums = t->judge.reference.sum[split];
    return (qn_scored){p->logp, sums ? sums[2 * example + k] : 0, p->n};
}

static int64_t example_of(const qn_trainer *t, int64_t row, int64_t piece) {
    return t->judge.example[row * t->judge.pieces + piece];
}

/* ---- what was judged ---- */

void qn_preference_begin(qn_trainer *t, double kl) { t->judge.sum = (qn_judged_sum){.kl = kl}; }

static void add_answer(qn_judged_sum *s, int side, const qn_scored *a, double reward) {
    s->of[side]++;
    s->reward[side] += reward;
    s->logp[side] += a->policy;
    s->moved[side] += a->policy - a->reference;
    s->tokens[side] += (double)a->n;
}

static void add_loss(qn_judged_sum *s, double loss) {
    if (s->n++ == 0)
        s->first = loss;
    s->beyond += loss - s->first;
}

qn_judged qn_preference_end(qn_trainer *t) {
    const qn_judged_sum *s = &t->judge.sum;
    qn_judged j = {.n = s->n, .kl = labels(t) ? s->kl : NAN};
    j.loss = s->n ? s->first + s->beyond / (double)s->n : 0;
    j.accuracy = labels(t) || s->n == 0 ? NAN : (double)s->won / (double)s->n;
    for (int k = 0; k < 2; k++) {
        const double n = s->of[k] ? (double)s->of[k] : NAN;
        j.reward[k] = s->reward[k] / n;
        j.logp[k] = s->logp[k] / n;
        j.tokens[k] = s->tokens[k] / n;
        j.moved[k] = t->judge.kind->reference ? s->moved[k] / n : NAN;
    }
    j.margin = j.reward[0] - j.reward[1];
    return j;
}

/* ---- passes ---- */

static void judge_pairs(qn_trainer *t, qn_split split, int64_t first, double share) {
    const qn_engine_pieces p = qn_engine_pieces_get(t->engine);
    qn_judged_sum *s = &t->judge.sum;
    qn_assert(p.n % 2 == 0);
    for (int64_t i = 0; i < p.n; i += 2) {
        const int64_t example = example_of(t, first + p.piece[i].row, p.piece[i].piece);
        const qn_scored chosen = answer_of(t, split, &p.piece[i], example, 0);
        const qn_scored rejected = answer_of(t, split, &p.piece[i + 1], example, 1);
        qn_judgement j;
        qn_objective_pair(&t->recipe.objective, &chosen, &rejected, &j);
        add_loss(s, j.loss);
        add_answer(s, 0, &chosen, j.reward[0]);
        add_answer(s, 1, &rejected, j.reward[1]);
        s->won += j.reward[0] > j.reward[1];
        for (int k = 0; k < 2 && share > 0; k++)
            qn_engine_weigh(t->engine, i + k, -share * j.slope[k]);
    }
}

static void judge_labels(qn_trainer *t, qn_split split, int64_t first, double share) {
    const qn_engine_pieces p = qn_engine_pieces_get(t->engine);
    for (int64_t i = 0; i < p.n; i++) {
        const int64_t which = example_of(t, first + p.piece[i].row, 2 * p.piece[i].piece);
        const qn_scored a = answer_of(t, split, &p.piece[i], which, 0);
        qn_example example;
        qn_judgement j;
        qn_examples_get(t->s.examples, split, which, &example);
        qn_objective_label(&t->recipe.objective, &a, example.good, t->judge.sum.kl, &j);
        add_loss(&t->judge.sum, j.loss);
        add_answer(&t->judge.sum, !example.good, &a, j.reward[0]);
        if (share > 0)
            qn_engine_weigh(t->engine, i, -share * j.slope[0]);
    }
}

double qn_preference_mismatch(qn_trainer *t, qn_split split, int64_t first, int64_t n, int64_t *answers,
                              int64_t *flops) {
    double moved = 0;
    qn_engine_forward(t->engine, only(t, first, n, 1), n, false);
    const qn_engine_pieces p = qn_engine_pieces_get(t->engine);
    for (int64_t i = 0; i < p.n; i++) {
        const int64_t example = example_of(t, first + p.piece[i].row, 2 * p.piece[i].piece);
        const qn_scored a = answer_of(t, split, &p.piece[i], example, 1);
        moved += a.policy - a.reference;
    }
    *answers += p.n;
    if (flops)
        *flops += qn_engine_info_get(t->engine).flops;
    return moved;
}

void qn_preference_pass(qn_trainer *t, qn_split split, int64_t first, int64_t n, double share) {
    qn_assert(!t->judge.kind->reference || t->judge.reference.sum[split]);
    qn_engine_forward(t->engine, labels(t) ? only(t, first, n, 0) : t->row + first, n, share > 0);
    (labels(t) ? judge_labels : judge_pairs)(t, split, first, share);
    if (share > 0)
        qn_engine_backward(t->engine);
}

/* ---- the reference ---- */

bool qn_trainer_has_reference(const qn_trainer *t) { return t->judge.on && t->judge.kind->reference; }

int qn_trainer_reference_open(qn_trainer *t, const char *path, const char *key) {
    qn_reference_drop(&t->judge.reference);
    const int rc = qn_reference_open(&t->judge.reference, path, t->s.examples, key);
    if (rc != QN_ENOTFOUND && rc != QN_EFORMAT && rc != QN_ETRUNC && rc != QN_EINVAL)
        return rc < 0 ? rc : 1;
    qn_log(QN_LOG_WARN, "%s; the reference is worked out anew", qn_error_message());
    return 0;
}

/* One pass: the sums of all its pieces. A model that makes no number of an answer is no reference. */
static int refer_to(qn_trainer *t, qn_split split, int64_t n) {
    double *sums = t->judge.reference.sum[split];
    qn_engine_forward(t->engine, t->row, n, false);
    const qn_engine_pieces p = qn_engine_pieces_get(t->engine);
    for (int64_t i = 0; i < p.n; i++) {
        const int64_t example = example_of(t, p.piece[i].row, p.piece[i].piece);
        if (!isfinite(p.piece[i].logp))
            return qn_fail(QN_EINVAL, "the model gives an answer of example %lld no probability that is a number; it "
                           "cannot be what preferences are measured from", (long long)example + 1);
        sums[2 * example + p.piece[i].piece % 2] = p.piece[i].logp;
    }
    return 0;
}

/* Rows of the first epoch that the run is going to see: of a short one not all. */
static int64_t rows_seen(const qn_trainer *t, int split) {
    if (split == QN_SPLIT_TRAIN)
        return QN_MIN(qn_rows_per_epoch(t->rows), t->recipe.steps * t->recipe.batch);
    const int64_t all = t->validation ? qn_rows_per_epoch(t->validation) : 0;
    return t->recipe.eval_rows > 0 ? QN_MIN(all, t->recipe.eval_rows) : all;
}

/* Another run has taken all sums of these rows. */
static bool is_known(const qn_trainer *t, int split, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        for (int64_t p = 0; p < t->row[i].pieces; p++)
            if (isnan(t->judge.reference.sum[split][2 * example_of(t, i, p) + p % 2]))
                return false;
    return true;
}

static int refer_all(qn_trainer *t) {
    qn_rows *const rows[QN_SPLITS] = {t->rows, t->validation};
    const int64_t all = rows_seen(t, QN_SPLIT_TRAIN) + rows_seen(t, QN_SPLIT_VALIDATION);
    int64_t done = 0;
    for (int k = 0; k < QN_SPLITS; k++)
        for (int64_t r = 0, n = rows_seen(t, k); r < n; r += t->pass) {
            const int64_t some = QN_MIN(t->pass, n - r);
            for (int64_t i = 0; i < some; i++)
                QN_TRY(qn_trainer_row(t, rows[k], r + i, i));
            if (!is_known(t, k, some))
                QN_TRY(refer_to(t, (qn_split)k, some));
            done += some;
            if (t->s.hooks.reference)
                QN_TRY(t->s.hooks.reference(t->s.hooks.arg, done, all));
        }
    return 0;
}

int qn_trainer_reference_make(qn_trainer *t, const char *path, const char *known, const char *key) {
    qn_reference *r = &t->judge.reference;
    qn_assert(qn_trainer_has_reference(t));
    qn_reference_drop(r);
    QN_TRY(known ? qn_reference_open(r, known, t->s.examples, key) : qn_reference_init(r, t->s.examples, key));
    int rc = refer_all(t);
    if (rc >= 0 && path)
        rc = qn_reference_save(r, path);
    if (rc < 0)
        qn_reference_drop(r);
    return rc;
}
