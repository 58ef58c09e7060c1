/* serve/ask.h — what a request asks for: members of its body, each checked, unknown ones passed over.
 *
 * null is as good as nothing. A member that is wrong fails with its name as `param` of the error and a message that
 * says what was expected and where it stands. Beside OpenAI's members those of llama.cpp and vLLM count. */
#ifndef QN_SERVE_ASK_H
#define QN_SERVE_ASK_H

#include "serve/serve_impl.h"

enum {
    QN_ASK_STOPS = 16, QN_ASK_CHOICES = 64, QN_ASK_TOP = 20, QN_ASK_BIASES = 1024, QN_ASK_TOOLS = 512,
    QN_ASK_BREAKERS = 32,           /* texts that DRY does not go across */
    QN_ASK_KNOWN = 96,              /* members that there are, at the most */
    QN_ASK_CALLS = 32,              /* calls of one answer, where calls are asked for */
    QN_ASK_TEXTS = 2048             /* texts of one request for embeddings */
};

typedef enum {
    QN_FORMAT_TEXT, QN_FORMAT_OBJECT, QN_FORMAT_SCHEMA, QN_FORMAT_GRAMMAR, QN_FORMAT_PATTERN
} qn_ask_format;
typedef enum { QN_TOOLS_AUTO, QN_TOOLS_NONE, QN_TOOLS_REQUIRED, QN_TOOLS_NAMED } qn_tool_choice;

typedef struct { qn_buf name; qn_str parameters; } qn_ask_tool;

typedef struct {
    qn_generate_options o;
    bool chat;                      /* else a plain completion */
    bool said[QN_ASK_KNOWN];        /* which members, in the order of their table */
    bool generation_prompt;         /* the prompt ends where the answer begins */
    bool stream, stream_options, usage, seeded, echo, parse_special;    /* stream_options: said */
    bool parallel;                  /* parallel_tool_calls: said, and true */
    int64_t n, best_of, top;        /* top: alternatives wanted */
    qn_str *stop;                   /* what o.stop points to */
    qn_buf stop_text[QN_ASK_STOPS];
    int64_t stops;
    qn_buf breaker_text[QN_ASK_BREAKERS];
    int64_t breakers;               /* 0: the server's */
    uint64_t *breaks;               /* what o.sampler.dry_breaks points to */
    qn_buf model;                   /* as the request names it */
    bool scaled;
    float scale[QN_ADAPTERS];
    qn_str messages, tools, kwargs, prompt, schema;     /* JSON, within the body; s NULL: not said */
    qn_tool_choice choice;
    qn_buf tool;                    /* the one that must be called */
    qn_ask_tool *tool_list;         size_t n_tools, cap_tools;      /* none where tool_choice is "none" */
    qn_str *tool_names;             /* [n_tools] */
    qn_ask_format format;
    char format_by[64];             /* the member that said so */
    qn_buf grammar, schema_text;    /* grammar: or pattern; schema_text: what `schema` points to, if it was a string */
    qn_logit_bias *bias;            size_t n_bias, cap_bias;
} qn_ask;

/* Reads the body of a chat or a completion over the server's defaults. */
int qn_ask_read(qn_exchange *x, qn_ask *a, bool chat);
void qn_ask_drop(qn_ask *a);

/* A small body of other routes: its members as they come. The member's name is x->param then. */
int qn_ask_members(qn_exchange *x, int (*member)(qn_exchange *x, qn_json *j, qn_str key, void *arg), void *arg);
/* The prompts of a text, [texts], [ids] or [[ids]]: ids appended to a list of at most `most` of them. */
int qn_ask_prompts(qn_exchange *x, qn_str json, unsigned flags, size_t most, qn_ids **prompts, size_t *n);

/* ---- ask_tools.c ---- */
int qn_ask_read_tools(qn_exchange *x, qn_ask *a);
void qn_ask_drop_tools(qn_ask *a);
int qn_ask_tools_text(const qn_ask *a, qn_buf *out);
/* What the answer is held to: a call, JSON, a schema, a grammar, a pattern; NULL: nothing. To be given back to the
 * server's grammars. */
int qn_ask_grammar(qn_exchange *x, const qn_ask *a, qn_grammar **out);

/* ---- ask_chat.c ---- */
/* The conversation of a request as the prompt that its template makes of it; text: what it looks like. Either may be
 * NULL. */
int qn_ask_prompt(qn_exchange *x, const qn_ask *a, qn_ids *ids, qn_buf *text);

#endif
