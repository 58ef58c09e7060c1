/* eval/eval.h — storey 7: how good a model is, measured on a session. Front door.
 *
 *   ppl.c           perplexity of a text, by the two protocols that published figures use
 *   scorer.h        whatever gives texts a probability: session_scorer.c is a model, over score_tree.h .c
 *   task.h .c       items with their right answers: task_file.c reads quern's own files,
 *   benchmark.h .c  … arc.c hellaswag.c piqa.c winogrande.c mmlu.c gsm8k.c blimp.c those of others
 *   encode.h .c     items to requests of ids         judge.h .c, judge_rules.c   written answers to verdicts
 *   result.h        a task run and summed up: run_task.c, figures.c, suite.c, result_json.c
 *   stats.h .c      bootstrap, sign test, AUROC      contamination.h .c   are the items in a training text?
 *   baselines.h     what merely counts, as scorers: ngram_scorer.c, cooc_scorer.c; held_out.c
 *   hhh.h           helpful, honest, harmless, and what that cost: hhh.c, _rows, _pairs, _json
 *   verify.h        what stayed of a model in another one: verify.c, _ids, _limits, _texts, _text, _json; row_pair.h .c
 *   speed.h .c      tokens per second                work.c    the machine's limits beside them
 *
 * Figures compare only within one protocol, one window length and one tokenizer; between a model and its quantized form
 * the ratio of both perplexities says more than either. */
#ifndef QN_EVAL_EVAL_H
#define QN_EVAL_EVAL_H

#include "infer/session.h"
#include "tok/tok.h"

/* The text is cut into windows of `ctx` tokens that do not overlap; what is left at the end is not scored.
 *
 *   HALF   0 1 … ctx/2−1 │ ctx/2 … ctx−2 │ ctx−1    llama.cpp's llama-perplexity: every target has at least half a
 *             context      │ each predicts the next   window before it; where the tokenizer adds a BOS, it stands
 *                                                     in place of each window's first token
 *   FULL   0 1 …                  … ctx−2 │ ctx−1     GPTQ, AWQ: all ctx−1 targets, hence a little higher; a BOS only
 *             each predicts the next                  before the whole text
 *
 * Special tokens that are spelled in the text are text. */
typedef enum { QN_PPL_HALF, QN_PPL_FULL } qn_ppl_protocol;
const char *qn_ppl_protocol_name(qn_ppl_protocol p);        /* "half", "full" */

typedef struct {
    int64_t text_tokens;        /* of the whole text, a BOS included */
    int64_t windows, windows_done;
    int64_t tokens;             /* scored so far */
    double nll, nll2;           /* Σ −ln p and Σ (ln p)² over them, in the order of the text */
    double ppl;                 /* exp(nll / tokens) */
    double std_error;           /* of ppl: ppl · sqrt((mean of squares − square of the mean) / (tokens − 1)) */
    double seconds;
    int64_t fed;                /* tokens that went through the model */
} qn_ppl_result;

/* Called after every few windows with the figures so far; a negative return ends the evaluation with that error. */
typedef int qn_ppl_progress_fn(void *arg, const qn_ppl_result *so_far);

typedef struct {
    qn_ppl_protocol protocol;
    int64_t ctx;                /* tokens per window, at least 2 (half: 3); 0: the session's context */
    int64_t max_windows;        /* 0: all of the text */
    int64_t sequences;          /* windows that are fed together: as many as the session has sequences; 0: 1 */
    qn_ppl_progress_fn *progress;
    void *arg;
} qn_ppl_options;

/* Perplexity of text (UTF-8, n bytes) under the session's model; tok is that model's tokenizer. Uses and resets the
 * session's sequences 0 … sequences−1. The result does not depend on `sequences`. After an error *r holds what had been
 * scored. QN_EINVAL: options, or a text shorter than one window; QN_ESHAPE: the tokenizer knows more tokens than the
 * model; QN_EFORMAT: the model gave logits that are no numbers; QN_ECONTEXT, QN_EUTF8, QN_ECANCEL, QN_ENOMEM. */
int qn_eval_ppl(qn_session *s, const qn_tok *tok, const char *text, size_t n, const qn_ppl_options *o,
                qn_ppl_result *r);

#endif
