/* train/objective.h — what a model is tuned for: to imitate answers, or to prefer some to others.
 *
 * Pure functions in double. They know an answer by two sums: of the log-probabilities of its tokens under the policy,
 * which is trained, and under the reference, which is the policy as it was before step 0. With
 *
 *     r = policy − reference       Δ = r(chosen) − r(rejected)       x̄ = x / tokens of the answer    σ(x) = 1/(1+e⁻ˣ)
 *
 *     sigmoid   −(1−ε)·ln σ(β·Δ) − ε·ln σ(−β·Δ)         DPO; ε label smoothing: cDPO      Rafailov et al. 2023
 *     hinge     max(0, 1 − β·Δ)                         SLiC on DPO's margin              Zhao et al. 2023
 *     ipo       (Δ̄ − 1/(2β))²                           IPO; Δ̄ per token of each answer   Azar et al. 2023
 *     kto       λ·(1 − σ(±β·(r − KL)))                  KTO; answers with a label         Ethayarajh et al. 2024
 *     orpo      −p̄(chosen) − β·ln σ(odds)               ORPO; no reference                Hong et al. 2024
 *     simpo     −ln σ(β·(p̄(chosen) − p̄(rejected)) − γ)  SimPO; no reference; ε as above  Meng et al. 2024
 *
 * p is the policy's sum; odds = ln(e^p̄/(1−e^p̄)) of chosen − rejected. IPO is taken per token, as TRL takes it: sums
 * of long answers would leave 1/(2β) behind at once. An anchor α adds −α·p̄(chosen), the mean −ln p of that answer
 * (Pang et al. 2024, RPO), so that its probability does not fall with the other's. Means are over the answer's own
 * tokens; the prompt is in none of them. */
#ifndef QN_TRAIN_OBJECTIVE_H
#define QN_TRAIN_OBJECTIVE_H

#include "base/base.h"

typedef enum {
    QN_OBJECTIVE_NLL,                   /* imitation: the mean −ln p of supervised tokens (step.c) */
    QN_OBJECTIVE_SIGMOID, QN_OBJECTIVE_HINGE, QN_OBJECTIVE_IPO, QN_OBJECTIVE_KTO, QN_OBJECTIVE_ORPO,
    QN_OBJECTIVE_SIMPO, QN_OBJECTIVES
} qn_objective_kind;
#define QN_PREFERENCE_CHOICES "sigmoid|hinge|ipo|kto|orpo|simpo"
#define QN_OBJECTIVE_CHOICES "nll|" QN_PREFERENCE_CHOICES

typedef struct {
    int kind;                           /* qn_objective_kind */
    double beta;                        /* > 0 */
    double smoothing;                   /* ε: the share of labels that are taken for wrong; 0 … 0.5 */
    double anchor;                      /* α; 0: none */
    double margin;                      /* γ of SimPO */
    double good, bad;                   /* λ of KTO: weights of answers with either label */
} qn_objective;

/* What kinds there are. */
typedef enum { QN_LEARNS_TOKENS, QN_LEARNS_PAIRS, QN_LEARNS_LABELS } qn_learns_from;
enum { QN_USES_SMOOTHING = 1, QN_USES_ANCHOR = 2, QN_USES_MARGIN = 4, QN_USES_WEIGHTS = 8 };
typedef struct {
    const char *name;
    qn_learns_from from;
    bool reference;                     /* it asks for the reference's sums */
    bool per_token;                     /* rewards are means over tokens */
    int uses;                           /* of the options above, beside beta */
    double beta, margin, rate;          /* what is usual; rate: of full fine-tuning */
} qn_objective_info;
const qn_objective_info *qn_objective_get(int kind);
/* A range that is left, in a sentence that names the option. QN_EINVAL. */
int qn_objective_check(const qn_objective *o);

/* One answer: sums of ln p over its n ≥ 1 tokens. */
typedef struct { double policy, reference; int64_t n; } qn_scored;

typedef struct {
    double loss;
    double slope[2];                    /* ∂loss/∂policy of either answer; of a label the first */
    double reward[2];                   /* β·r, β·r̄ or β·p̄: what the policy implicitly gives; margin: [0] − [1] */
} qn_judgement;
void qn_objective_pair(const qn_objective *o, const qn_scored *chosen, const qn_scored *rejected, qn_judgement *out);
/* kl: the batch's estimate, a constant to the gradient. */
void qn_objective_label(const qn_objective *o, const qn_scored *a, bool good, double kl, qn_judgement *out);
/* KTO's estimate of the divergence from the reference out of n answers to other prompts, whose r sum up to `sum`: never
 * below 0. */
double qn_objective_kl(double sum, int64_t n);

#endif
