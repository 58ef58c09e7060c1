/* cli/prompt.h — a conversation as the ids that the model gets.
 *
 *   messages ──► chat template ──► text with trusted spans ──► ids
 *
 * Only what the template itself wrote may become a control token; words of the conversation never do (chat/chat.h). */
#ifndef QN_CLI_PROMPT_H
#define QN_CLI_PROMPT_H

#include "chat/chat.h"
#include "model/model.h"

/* {0} is empty and may be dropped. */
typedef struct {
    qn_chat_template *tmpl;
    bool own;                   /* the model's own template; false: ChatML, because it has none */
    qn_buf name;
    qn_chat_input in;           /* special tokens and date; messages and the generation prompt come with each call */
    qn_chat_output out;         /* of the last rendering */
    qn_tok_span *trusted;
    size_t cap;
} qn_prompter;

/* The template of a MODEL, or ChatML; special tokens from its tokenizer (borrowed; NULL leaves them undefined). */
int qn_prompter_open(qn_prompter *p, const qn_source *s, const qn_tok *tok);
/* A template out of a file. */
int qn_prompter_open_file(qn_prompter *p, const char *path);
void qn_prompter_drop(qn_prompter *p);

/* Renders into p->out. */
int qn_prompter_render(qn_prompter *p, const qn_chat_messages *m, bool generation_prompt);
/* The ids of p->out. The template has written BOS where it wants one; ChatML leaves it to the tokenizer. */
int qn_prompter_ids(qn_prompter *p, const qn_tok *tok, qn_ids *ids);

#endif
