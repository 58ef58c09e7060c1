/* eval/encode.h — contexts, choices and prompts as requests of ids, the way lm-evaluation-harness 0.4.9 makes them.
 *
 *   context "The sky is "  choice "blue"      white space at the context's end moves to the choice:
 *     └─ "The sky is" + " blue"               encoded together, cut where the context alone would end
 *   no context                                one token in front, that begins a text (BOS, else EOS)
 *   too long                                  tokens go at the left; the caller is told
 *
 * A BOS stands in front where the model's tokenizer adds one (the harness: add_bos_token=True for such models).
 * Conversations go through the scorer's template; a choice is then encoded on its own, without the blank before it. */
#ifndef QN_EVAL_ENCODE_H
#define QN_EVAL_ENCODE_H

#include "eval/scorer.h"

/* Where the ids of a request lie in a list that grows. */
typedef struct { int64_t begin, n, from; bool cut; } qn_encoded;

/* {0} is empty and ready. */
typedef struct { qn_ids ids; qn_buf text; } qn_encoder;
void qn_encoder_drop(qn_encoder *e);

/* Each appends to e->ids. QN_ECONTEXT: what is to be scored is itself longer than the context; QN_EINVAL: nothing to
 * score. */
int qn_encode_choice(qn_encoder *e, const qn_scorer *s, qn_str context, qn_str choice, qn_encoded *out);
int qn_encode_chat_choice(qn_encoder *e, const qn_scorer *s, qn_str messages, qn_str choice, qn_encoded *out);
/* Leaves room for `max` tokens where the context has it: from is n. */
int qn_encode_prompt(qn_encoder *e, const qn_scorer *s, qn_str prompt, int64_t max, qn_encoded *out);
int qn_encode_chat_prompt(qn_encoder *e, const qn_scorer *s, qn_str messages, int64_t max, qn_encoded *out);
/* A whole text behind the token that begins one. Too long for one request: the caller cuts it into windows. */
int qn_encode_text(qn_encoder *e, const qn_scorer *s, qn_str text, qn_encoded *out);

#endif
