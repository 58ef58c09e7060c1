/* quern.h — the public interface of libquern: load a language model, tokenize, generate; turn texts into vectors.
 *
 * Handles are opaque. What can fail returns 0 or a negative code; quern_error() then tells in words what was wrong and
 * what to do, on the thread that failed, until its next failure. The library never prints, exits or reads the
 * environment. Option structs begin with their own size: fill them with quern_…_options_default() and change what you
 * need. Text goes in as pointer and length (UTF-8) and comes out into your buffer, with the size it needs returned.
 *
 * Who borrows what: a model borrows nothing once it is open; a session borrows its model and its pool; quern_generate
 * borrows a tokenizer for the call. Free in the reverse order; freeing NULL is fine. A model and a tokenizer may be
 * used by many threads at once; a session by one at a time (quern_session_cancel alone may come from any thread). One
 * session at a time uses a pool. */
#ifndef QUERN_H
#define QUERN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define QUERN_API __attribute__((visibility("default")))
#else
#define QUERN_API
#endif

typedef struct quern_pool quern_pool;
typedef struct quern_model quern_model;
typedef struct quern_tokenizer quern_tokenizer;
typedef struct quern_session quern_session;
typedef struct quern_embedder quern_embedder;

/* Once, before anything else. isa_cap limits the instructions that kernels use ("scalar", "avx2", "avx512", …; NULL:
 * all that the machine has). Calling it again with another cap changes only sessions made afterwards. */
QUERN_API int quern_init(const char *isa_cap);
QUERN_API const char *quern_version(void);
QUERN_API const char *quern_error(void);                /* "" when nothing failed on this thread */
QUERN_API const char *quern_error_name(int code);       /* "QN_ENOTFOUND" */

/* ---- threads ---- */

/* threads 0: as many as the process may use. The calling thread is one of them. */
QUERN_API int quern_pool_new(quern_pool **out, int threads);
QUERN_API void quern_pool_free(quern_pool *pool);

/* ---- model ---- */

typedef struct {
    size_t size;
    const char *weights;        /* "as-is", "f32", "f16", "bf16", "q8_0", "q4_0", "q4_1": convert at load */
} quern_model_options;
QUERN_API quern_model_options quern_model_options_default(void);

/* path: a GGUF file, or a directory with config.json and model.safetensors. The pool (NULL: this thread alone) shares
 * out the packing of weights and is free again afterwards; options may be NULL. The file is not read any more once the
 * model is open. Fails where the file is absent or malformed, the architecture or a tensor's type is unknown, or memory
 * is short; what was wrong and what to do is in quern_error(). */
QUERN_API int quern_model_open(quern_model **out, const char *path, quern_pool *pool,
                               const quern_model_options *options);
QUERN_API void quern_model_free(quern_model *model);
QUERN_API int64_t quern_model_vocabulary(const quern_model *model);
QUERN_API int64_t quern_model_context(const quern_model *model);        /* positions it was trained for */
/* One line: family, size, arithmetic. Lives as long as the model. */
QUERN_API const char *quern_model_identity(const quern_model *model);

/* ---- tokenizer ---- */

enum {
    QUERN_ADD_SPECIAL = 1,      /* BOS and the like, as the model's tokenizer does */
    QUERN_PARSE_SPECIAL = 2,    /* special tokens spelled in the text become tokens; without it they are text */
    QUERN_SKIP_SPECIAL = 4      /* detokenize: leave special tokens out */
};
/* path: as for a model, or a tokenizer.json. Nothing of the file is borrowed. */
QUERN_API int quern_tokenizer_open(quern_tokenizer **out, const char *path);
QUERN_API void quern_tokenizer_free(quern_tokenizer *tokenizer);
/* Writes at most cap ids and sets *n to how many the text has; call again with more room if *n > cap. Fails where the
 * text is no UTF-8. */
QUERN_API int quern_tokenize(const quern_tokenizer *tokenizer, const char *text, size_t length, unsigned flags,
                             int32_t *ids, size_t cap, size_t *n);
/* Writes at most cap bytes (no NUL) and sets *n to how many the text has. Ids outside the vocabulary give nothing;
 * bytes that are no UTF-8 become U+FFFD. */
QUERN_API int quern_detokenize(const quern_tokenizer *tokenizer, const int32_t *ids, size_t count, unsigned flags,
                               char *text, size_t cap, size_t *n);
/* A conversation (JSON: an array of {"role","content"}, or an object with "messages" and "tools") as the ids of a
 * prompt that asks for the assistant's answer, by the model's own chat template. Nothing inside a message can become
 * a control token. */
QUERN_API int quern_chat_prompt(const quern_tokenizer *tokenizer, const char *json, size_t length, int32_t *ids,
                                size_t cap, size_t *n);

/* The same for a conversation of one user message, as plain text. */
QUERN_API int quern_chat_question(const quern_tokenizer *tokenizer, const char *text, size_t length, int32_t *ids,
                                  size_t cap, size_t *n);

/* ---- session ---- */

typedef struct {
    size_t size;
    int64_t context;            /* positions per sequence; 0: the model's */
    int64_t sequences;          /* at once; 0: 1 */
    const char *kv;             /* "f32", "f16", "bf16"; NULL: what the model's arithmetic asks for */
} quern_session_options;
QUERN_API quern_session_options quern_session_options_default(void);

QUERN_API int quern_session_new(quern_session **out, const quern_model *model, quern_pool *pool,
                                const quern_session_options *options);
QUERN_API void quern_session_free(quern_session *session);
/* Appends ids to a sequence, numbered from 0. logits: NULL, or room for quern_model_vocabulary() floats: those after
 * the last id. Fails, with nothing appended, where ids are outside the vocabulary or the context has no room for all;
 * where it is cancelled, with what had been run. */
QUERN_API int quern_session_feed(quern_session *session, int64_t sequence, const int32_t *ids, size_t count,
                                 float *logits);
/* Positions that the sequence holds; negative: the session has no such sequence. */
QUERN_API int64_t quern_session_length(const quern_session *session, int64_t sequence);
/* Forgets what lies behind the first `length` positions. */
QUERN_API int quern_session_truncate(quern_session *session, int64_t sequence, int64_t length);
/* From any thread: the call that is under way ends soon. The next call begins afresh. */
QUERN_API void quern_session_cancel(quern_session *session);

/* ---- generation ---- */

typedef struct {
    size_t size;
    int64_t max_tokens;         /* < 0: until the context is full */
    double temperature;         /* 0: greedy */
    int64_t top_k;              /* 0: all */
    double top_p, min_p;        /* 1, 0: all */
    double repetition_penalty, frequency_penalty, presence_penalty;     /* 1, 0, 0: off */
    uint64_t seed;
    const char *const *stop;    /* n_stop strings; the answer ends before the first that appears */
    size_t n_stop;
    int ignore_eos;
} quern_generate_options;
QUERN_API quern_generate_options quern_generate_options_default(void);

/* Called with each piece of text: whole characters, valid during the call. Return 0 to go on, anything else to stop. */
typedef int quern_text_fn(void *user, const char *text, size_t length);

typedef struct {
    const char *stop_reason;    /* "eos", "stop", "length", "context", "cancelled" */
    int64_t prompt_tokens, cached_tokens, new_tokens;
    double prefill_seconds, decode_seconds;
} quern_generate_result;

/* Answers a prompt in sequence 0. Tokens that the sequence holds already from the call before are not computed again.
 * options, fn and result may be NULL; *result is set on success. Fails where the prompt is empty or longer than the
 * context (nothing is cut), an option is out of range, or it is cancelled before the first token; cancelled later, the
 * answer ends with the reason "cancelled". stop_reason is static. */
QUERN_API int quern_generate(quern_session *session, const quern_tokenizer *tokenizer, const int32_t *prompt,
                             size_t count, const quern_generate_options *options, quern_text_fn *fn, void *user,
                             quern_generate_result *result);

/* ---- vectors of texts ---- */

typedef struct {
    size_t size;
    const char *weights;        /* as for a model */
    const char *pooling;        /* "mean", "cls", "last", "max", "sqrt", "weighted"; NULL: as the model's files say */
    int normalize;              /* 1: vectors of length 1; 0: not; -1: as the model's files say */
    int64_t max_tokens;         /* longest text; 0: what the model's files say */
    int truncate;               /* longer texts are cut; without it they fail */
} quern_embed_options;
QUERN_API quern_embed_options quern_embed_options_default(void);

/* An encoder (bert) with its tokenizer, from a GGUF file or a directory of sentence-transformers; a model that writes
 * needs a pooling. Borrows the pool (NULL: this thread alone) until it is freed; used by one thread at a time. */
QUERN_API int quern_embedder_open(quern_embedder **out, const char *path, quern_pool *pool,
                                  const quern_embed_options *options);
QUERN_API void quern_embedder_free(quern_embedder *embedder);
QUERN_API int64_t quern_embedder_width(const quern_embedder *embedder);        /* numbers of a vector */
QUERN_API int64_t quern_embedder_max_tokens(const quern_embedder *embedder);
/* vectors: room for count · width floats, text after text; tokens: NULL, or count numbers: how many each text has,
 * those around it included (more than max_tokens where it was cut). lengths in bytes; NULL: texts end with a NUL. A
 * text's vector does not depend on the others. Fails where a text is no UTF-8 or too long. */
QUERN_API int quern_embed(quern_embedder *embedder, const char *const *texts, const size_t *lengths, size_t count,
                          float *vectors, int64_t *tokens);

#ifdef __cplusplus
}
#endif
#endif
