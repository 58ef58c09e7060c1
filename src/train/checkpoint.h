/* train/checkpoint.h — a checkpoint: a model directory that every reader of Hugging Face's form opens, and beside the
 * weights what a run needs to go on to the bit.
 *
 *     RUN/checkpoints/step-00000100/
 *         config.json generation_config.json tokenizer.json tokenizer_config.json
 *         model.safetensors                  masters, F32, rows in Hugging Face's order
 *         training_state.safetensors         moments, the last losses; counters and checksums in metadata
 *     RUN/last, RUN/best                     links into checkpoints/
 *
 * Of a run that trains an adapter, in place of configuration and model:
 *
 *         adapter_config.json adapter_model.safetensors      as PEFT has them; with rows of tokens also
 *                                                            generation_config.json: which of them end an answer
 *         training_state.safetensors                         moments by slots: blk.0.attn_q.weight.lora_a
 *
 * It is written under a name that no one looks for, each file and the folder synced, then renamed, then the link is
 * turned: at any instant `last` leads to a whole checkpoint. It is removed under such a name too. Folders that a kill
 * left half written or half removed go when the run is taken up again. */
#ifndef QN_TRAIN_CHECKPOINT_H
#define QN_TRAIN_CHECKPOINT_H

#include "format/tensors_write.h"
#include "train/optimizer.h"

enum { QN_LOSS_WINDOW = 128 };

/* What changes from step to step, but for parameters and moments. */
typedef struct {
    int64_t step;                       /* steps done: the next one is this number, from 0 */
    int64_t updates;                    /* of them that moved the parameters; the optimizer counts these */
    int64_t tokens;                     /* supervised tokens seen */
    int64_t skipped, skipped_in_a_row;  /* steps that the guard refused */
    double best_loss;                   /* of all evaluations; NaN: none yet */
    int64_t best_step, worse;           /* evaluations since then that were not better */
    double window[QN_LOSS_WINDOW];      /* losses of the last steps, a ring indexed by step */
    int64_t window_n;
} qn_train_state;

/* Texts that stand beside the weights, as they are; NULL or empty: none. Borrowed. */
typedef struct {
    qn_str tokenizer_json, tokenizer_config_json;
    const char *base;                   /* the model that an adapter sits on, for its readers */
} qn_checkpoint_texts;

/* Writes RUN/checkpoints/step-N for state->step and turns RUN/last to it; with `best` RUN/best too. On error nothing
 * that was there is changed. QN_EIO … */
int qn_checkpoint_write(const char *run, const qn_params *p, qn_optimizer *o, const qn_train_state *state,
                        const qn_checkpoint_texts *texts, bool best);
/* Turns RUN/best to step N, which is there. */
int qn_checkpoint_mark_best(const char *run, int64_t step);
/* Removes all but the newest `keep` and what RUN/best leads to, and what a kill left. */
int qn_checkpoint_tidy(const char *run, int64_t keep);
/* Where a run goes on: *dir is RUN/last if that leads to a whole checkpoint, else, with a warning, the newest one in
 * RUN/checkpoints. 1 found, 0 there is none. */
int qn_checkpoint_newest(const char *run, qn_buf *dir);
/* Parameters, moments and state out of a checkpoint directory. QN_ENOTFOUND, QN_ESHAPE …; QN_EFORMAT where a checksum
 * does not fit. What is missing, damaged or of another shape is named, and another checkpoint where there is one. An
 * older version's, without checksums, is taken with a remark. */
int qn_checkpoint_read(const char *dir, qn_params *p, qn_optimizer *o, qn_train_state *state, qn_pool *pool);
/* Says behind the last message, which was rc, what to go on with instead of this checkpoint; another rc than one of a
 * file that is missing, damaged or of another shape stays as it is. Returns rc. */
int qn_checkpoint_other(const char *dir, int rc);

/* The weights alone, for a safetensors file: first all tensors are declared, then their rows follow. (weights.c) */
int qn_weights_declare(const qn_params *p, qn_tensor_writer *t);
int qn_weights_stream(const qn_params *p, qn_tensor_writer *t);

#endif
