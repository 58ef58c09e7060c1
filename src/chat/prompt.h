/* chat/prompt.h — a conversation as the ids that the model gets: the one way for serving and for training.
 *
 *   messages ──► chat template ──► text with trusted spans ──► cut into turns ──► ids
 *                                                                                  └─► which of them are taught
 *
 * Only what the template itself wrote may become a control token; words of the conversation never do (chat/chat.h).
 *
 * In serving an answer is generated behind a prompt that is encoded already, so no token ever runs across the place
 * where it begins or ends. Here it is the same: the text is cut where each answer begins and behind its last word, and
 * the parts are encoded each by itself. So the ids of a conversation begin with the ids of the prompt for any of its
 * answers, whatever the template and the merges:
 *
 *     <|im_start|>user⏎Hi<|im_end|>⏎<|im_start|>assistant⏎ ┆ Hello. ┆ <|im_end|>⏎<|im_start|>user⏎…
 *     ·····················································  ▲▲▲▲▲▲   ▲▲▲▲▲▲▲▲▲▲·················       ▲ = taught
 *
 * Where an answer begins is where the prompt for it ends: the conversation up to there is rendered as in serving, and
 * must be the beginning of the whole. A template that writes the past otherwise than the present (drops thoughts of
 * earlier turns) is not such; then only the last answer can be taught, and a conversation is taught turn by turn. */
#ifndef QN_CHAT_PROMPT_H
#define QN_CHAT_PROMPT_H

#include "chat/answer.h"
#include "chat/chat.h"
#include "tok/tok.h"

enum { QN_PROMPTER_ENDS = 24 };

/* Where the answer of one message stands in the rendering, in bytes. */
typedef struct {
    size_t message;
    size_t begin, taught, end;  /* behind its prompt; where {% generation %} begins, if it does; behind its words */
    size_t tail;                /* up to here the rendering that ends with it goes on in the same way */
    bool sure;                  /* what comes before it is what serving renders for it */
    bool silent;                /* the template marks answers, and this is none */
} qn_answer_place;

/* {0} is empty and may be dropped. */
typedef struct {
    qn_chat_template *tmpl;
    bool own;                   /* the model's own template; false: ChatML, because it has none */
    bool calls, tools;          /* the template says something about tool calls, about tools */
    qn_answer_form form;        /* how it has them written, and thoughts */
    bool spelled;               /* … with special tokens: to be read, an answer must have them written out */
    qn_buf name;
    qn_chat_input in;           /* special tokens and date; messages and the generation prompt come with each call */
    qn_chat_output out;         /* of the last rendering */
    int32_t end[QN_PROMPTER_ENDS];  /* ids that end an answer */
    int n_end;
    size_t most;                /* ids that whoever asks can take; 0: any number */
    qn_chat_output upto, through;   /* renderings of beginnings */
    qn_tok_span *trusted;       size_t cap;
    qn_answer_place *turn;      size_t turns, cap_turns;
    size_t *cut, *at;           size_t cap_cut, cap_at;
    qn_ids tail;
} qn_prompter;

/* A template's text, or ChatML where text.s is NULL; special tokens, and which of them end an answer, from the
 * tokenizer (borrowed; NULL leaves them undefined). `name` is for messages. */
int qn_prompter_init(qn_prompter *p, qn_str text, const char *name, const qn_tok *tok);
/* A template out of a file, and no tokenizer. */
int qn_prompter_open_file(qn_prompter *p, const char *path);
void qn_prompter_drop(qn_prompter *p);
/* One more id that ends an answer: what the model's configuration says. */
void qn_prompter_end(qn_prompter *p, int32_t id);

/* Renders into p->out. The messages are borrowed until the ids were made. */
int qn_prompter_render(qn_prompter *p, const qn_chat_messages *m, bool generation_prompt);
/* Appends the ids of p->out. The template has written BOS where it wants one; ChatML leaves it to the tokenizer. Of a
 * conversation that is far beyond p->most the ids are those of the text as one piece: nobody will read them, and to
 * find the answers' ends takes two renderings of a beginning each. */
int qn_prompter_ids(qn_prompter *p, const qn_tok *tok, qn_ids *ids);
/* Both of a conversation in JSON, with the prompt for the answer to it. */
int qn_prompter_ask(qn_prompter *p, const qn_tok *tok, qn_str messages, qn_ids *ids);

/* ---- training ---- */

typedef enum { QN_TEACH_ANSWERS, QN_TEACH_LAST, QN_TEACH_ALL } qn_teach;
#define QN_TEACH_CHOICES "answers|last|all"

typedef struct {
    qn_teach teach;             /* all answers, the last one, every token */
    size_t from;                /* answers in messages before this one are not taught */
    const char *mute;           /* one byte for each of the first n_mute messages: 1: its answer is not taught */
    size_t n_mute;
} qn_teach_options;

/* Puts the ids of a conversation into ids, and into `taught` one byte each (both empty before): 1 for what the
 * assistant wrote, the token that ends its turn included (what the template writes behind that is not taught: nothing
 * of it is ever generated). An answer that nothing ends is ended by EOS, which is appended where it is the last.
 * QN_EINVAL: there is no answer to teach; QN_ETEMPLATE: the template cannot render the conversation, or renders its
 * beginning otherwise (*turnwise: conversations that end with one of its answers each, the last one taught, may still
 * do). */
int qn_prompter_teach(qn_prompter *p, const qn_tok *tok, const qn_chat_messages *m, const qn_teach_options *o,
                      qn_ids *ids, qn_buf *taught, bool *turnwise);

/* ---- for prompt_turns.c ---- */
int qn_prompter_turns(qn_prompter *p, size_t messages);     /* of p->out, which renders so many messages */
int qn_prompter_encode(qn_prompter *p, const qn_tok *tok, qn_ids *ids);     /* p->at: ids at three cuts of each turn */

#endif
