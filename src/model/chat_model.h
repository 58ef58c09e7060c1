/* model/chat_model.h — what a MODEL needs to be tuned with conversations: a tokenizer that knows its template's tokens,
 * the template, and how both are written beside the weights.
 *
 * A model with a chat template is taken as it is. One without gets ChatML, and <|im_start|> and <|im_end|> in the first
 * ids that no token has, where its vocabulary lacks them; `rows` is how many its embedding must then have, and
 * <|im_end|> ends its answers. */
#ifndef QN_MODEL_CHAT_MODEL_H
#define QN_MODEL_CHAT_MODEL_H

#include "model/prompter.h"

typedef struct {
    qn_tok *tok;
    qn_prompter prompter;
    qn_buf json, config;            /* tokenizer.json, tokenizer_config.json with the template in it */
    int32_t added[2]; int n_added;  /* ids of new tokens */
    int64_t rows;                   /* of the embedding; 0: the source is a tokenizer alone */
    int64_t eos[QN_MAX_EOS], n_eos; /* what ends an answer */
} qn_chat_model;

/* {0} may be dropped. QN_ENOTFOUND: no tokenizer; QN_EFORMAT … */
int qn_chat_model_open(qn_chat_model *c, const qn_source *s);
void qn_chat_model_drop(qn_chat_model *c);

#endif
