/* model/prompter.h — the prompter of a MODEL: its chat template, its tokens, the ids that end its answers. */
#ifndef QN_MODEL_PROMPTER_H
#define QN_MODEL_PROMPTER_H

#include "chat/prompt.h"
#include "model/model.h"

/* The template of a MODEL, or ChatML; special tokens from its tokenizer (borrowed; NULL leaves them undefined).
 * Messages call it `name`; NULL: by its path. */
int qn_prompter_open(qn_prompter *p, const qn_source *s, const char *name, const qn_tok *tok);

#endif
