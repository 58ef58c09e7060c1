/* api/api.c — quern.h over the rooms below: handles, options by size, buffers of the caller. No logic of its own. */
#include "api/api_impl.h"
#include "base/version.h"
#include "chat/chat.h"
#include "infer/generate.h"
#include "model/model.h"

#include <string.h>

struct quern_model { qn_model *model; };
struct quern_tokenizer { qn_tok *tok; qn_chat_template *chat; };
struct quern_session { qn_session *session; qn_ids held; atomic_bool cancel; };

static _Atomic int isa_cap = QN_ISA_LEVELS - 1;

/* ---- library ---- */

int quern_init(const char *cap) {
    const int isa = cap ? qn_isa_from_name(cap) : QN_ISA_LEVELS - 1;
    if (isa < 0)
        return isa;
    atomic_store(&isa_cap, isa);
    return 0;
}

const char *quern_version(void) { return QN_VERSION; }
const char *quern_error(void) { return qn_error_message(); }
const char *quern_error_name(int code) { return qn_error_name(code); }

int qn_api_options(void *ours, size_t size, const void *given) {
    size_t n;
    if (!given)
        return 0;
    memcpy(&n, given, sizeof n);
    if (n < sizeof n || n > 4096)
        return qn_fail(QN_EINVAL, "an option struct says it has %zu bytes; fill it with its quern_…_options_default()",
                       n);
    memcpy(ours, given, QN_MIN(n, size));
    return 0;
}

int qn_api_dtype(const char *name, int *dtype) {
    *dtype = -1;
    if (!name || strcmp(name, "as-is") == 0)
        return 0;
    *dtype = qn_dtype_from_name(qn_str_of(name));
    if (*dtype >= 0 && *dtype != QN_F64 && qn_dtype_get((qn_dtype)*dtype)->encode_row)
        return 0;
    return qn_fail(QN_EINVAL, "\"%s\" is no dtype that can be asked for; those are %s", name,
                   qn_dtypes_written());
}

const qn_kernels *qn_api_kernels(void) { return qn_kernels_at((qn_isa)atomic_load(&isa_cap)); }

int quern_pool_new(quern_pool **out, int threads) {
    *out = qn_zalloc(QN_MEM_BASE, 1, sizeof **out);
    if (!*out)
        return QN_ENOMEM;
    const int rc = qn_pool_new(&(*out)->pool, threads);
    if (rc < 0) {
        qn_free(*out);
        *out = NULL;
    }
    return rc;
}

void quern_pool_free(quern_pool *p) {
    if (p)
        qn_pool_free(p->pool);
    qn_free(p);
}

/* ---- model ---- */

quern_model_options quern_model_options_default(void) {
    return (quern_model_options){sizeof(quern_model_options), "as-is"};
}

int quern_model_open(quern_model **out, const char *path, quern_pool *pool, const quern_model_options *options) {
    quern_model_options o = quern_model_options_default();
    qn_model_options load = {0};
    qn_source *source = NULL;
    int rc;
    *out = NULL;
    QN_TRY(qn_api_options(&o, sizeof o, options));
    QN_TRY(qn_api_dtype(o.weights, &load.weights));
    quern_model *m = qn_zalloc(QN_MEM_MODEL, 1, sizeof *m);
    if (!m)
        return QN_ENOMEM;
    QN_TRY_OUT(qn_source_open(&source, path));
    QN_TRY_OUT(qn_model_load(&m->model, source, &load, pool ? pool->pool : NULL));
    *out = m;
out:
    qn_source_close(source);
    if (rc < 0)
        quern_model_free(m);
    return rc;
}

void quern_model_free(quern_model *m) {
    if (m)
        qn_model_free(m->model);
    qn_free(m);
}

int64_t quern_model_vocabulary(const quern_model *m) { return m->model->cfg.V; }
int64_t quern_model_context(const quern_model *m) { return m->model->cfg.context; }
const char *quern_model_identity(const quern_model *m) { return m->model->identity; }

/* ---- tokenizer ---- */

static int compile_template(quern_tokenizer *t, const qn_source *s) {
    qn_str text;
    const int rc = qn_source_chat_template(s, &text);
    if (rc < 0)
        return rc;
    if (rc == 0)
        text = qn_chat_template_default();
    return qn_chat_template_compile(&t->chat, text.s, text.n, qn_source_path(s));
}

int quern_tokenizer_open(quern_tokenizer **out, const char *path) {
    qn_source *source = NULL;
    int rc;
    *out = NULL;
    quern_tokenizer *t = qn_zalloc(QN_MEM_TOK, 1, sizeof *t);
    if (!t)
        return QN_ENOMEM;
    QN_TRY_OUT(qn_source_open(&source, path));
    QN_TRY_OUT(qn_source_tokenizer(source, &t->tok));
    QN_TRY_OUT(compile_template(t, source));
    *out = t;
out:
    qn_source_close(source);
    if (rc < 0)
        quern_tokenizer_free(t);
    return rc;
}

void quern_tokenizer_free(quern_tokenizer *t) {
    if (!t)
        return;
    qn_tok_free(t->tok);
    qn_chat_template_free(t->chat);
    qn_free(t);
}

static void give_ids(qn_ids *from, int32_t *ids, size_t cap, size_t *n) {
    *n = from->n;
    if (from->n && cap)
        memcpy(ids, from->v, QN_MIN(cap, from->n) * sizeof *ids);
    qn_ids_drop(from);
}

int quern_tokenize(const quern_tokenizer *t, const char *text, size_t length, unsigned flags, int32_t *ids, size_t cap,
                   size_t *n) {
    qn_ids out = {0};
    const unsigned f = (flags & QUERN_ADD_SPECIAL ? QN_TOK_ADD_SPECIAL : 0u) |
                       (flags & QUERN_PARSE_SPECIAL ? QN_TOK_PARSE_SPECIAL : 0u);
    const int rc = qn_tok_encode(t->tok, text, length, f, &out);
    give_ids(&out, ids, cap, n);
    return rc;
}

int quern_detokenize(const quern_tokenizer *t, const int32_t *ids, size_t count, unsigned flags, char *text, size_t cap,
                     size_t *n) {
    qn_buf out = {0};
    const int rc = qn_tok_decode(t->tok, ids, count, flags & QUERN_SKIP_SPECIAL ? QN_TOK_SKIP_SPECIAL : 0, &out);
    *n = out.n;
    if (out.n && cap)
        memcpy(text, out.s, QN_MIN(cap, out.n));
    qn_buf_drop(&out);
    return rc;
}

/* Special tokens are looked for only in what the template itself wrote. */
static int encode_prompt(const quern_tokenizer *t, const qn_chat_output *prompt, qn_ids *ids) {
    size_t n = 0;
    qn_tok_span *span = qn_alloc(QN_MEM_TOK, (prompt->spans + 1) * sizeof *span);
    if (!span)
        return QN_ENOMEM;
    for (size_t i = 0; i < prompt->spans; i++)
        if (prompt->span[i].trusted)
            span[n++] = (qn_tok_span){prompt->span[i].begin, prompt->span[i].end};
    const int rc = qn_tok_encode_spans(t->tok, prompt->text.s, prompt->text.n, span, n, QN_TOK_PLAIN, ids);
    qn_free(span);
    return rc;
}

static qn_str special_text(const qn_tok *tok, int32_t id) { return id >= 0 ? qn_tok_text(tok, id) : (qn_str){0}; }

/* Renders, encodes and gives out the prompt of a conversation, which is freed. */
static int give_prompt(const quern_tokenizer *t, qn_chat_messages *messages, int32_t *ids, size_t cap, size_t *n) {
    qn_chat_output prompt = {0};
    qn_ids out = {0};
    int rc;
    const qn_chat_input in = {
        .messages = messages, .add_generation_prompt = true,
        .bos_token = special_text(t->tok, qn_tok_bos(t->tok)), .eos_token = special_text(t->tok, qn_tok_eos(t->tok)),
        .unk_token = special_text(t->tok, qn_tok_unk(t->tok)), .pad_token = special_text(t->tok, qn_tok_pad(t->tok)),
    };
    QN_TRY_OUT(qn_chat_render(t->chat, &in, &prompt));
    QN_TRY_OUT(encode_prompt(t, &prompt, &out));
out:
    give_ids(&out, ids, cap, n);
    qn_chat_output_drop(&prompt);
    qn_chat_messages_free(messages);
    return rc;
}

int quern_chat_prompt(const quern_tokenizer *t, const char *json, size_t length, int32_t *ids, size_t cap, size_t *n) {
    qn_chat_messages *messages;
    *n = 0;
    QN_TRY(qn_chat_messages_parse(&messages, json, length, "messages"));
    return give_prompt(t, messages, ids, cap, n);
}

int quern_chat_question(const quern_tokenizer *t, const char *text, size_t length, int32_t *ids, size_t cap,
                        size_t *n) {
    qn_chat_messages *messages;
    *n = 0;
    QN_TRY(qn_chat_messages_new(&messages));
    const int rc = qn_chat_messages_add(messages, "user", (qn_str){text, length});
    if (rc < 0)
        qn_chat_messages_free(messages);
    return rc < 0 ? rc : give_prompt(t, messages, ids, cap, n);
}

/* ---- session ---- */

quern_session_options quern_session_options_default(void) {
    return (quern_session_options){sizeof(quern_session_options), 0, 1, NULL};
}

int quern_session_new(quern_session **out, const quern_model *model, quern_pool *pool,
                      const quern_session_options *options) {
    quern_session_options o = quern_session_options_default();
    qn_session_options in = {0};
    *out = NULL;
    QN_TRY(qn_api_options(&o, sizeof o, options));
    QN_TRY(qn_api_dtype(o.kv, &in.kv));
    quern_session *s = qn_zalloc(QN_MEM_SESSION, 1, sizeof *s);
    if (!s)
        return QN_ENOMEM;
    in.context = o.context;
    in.sequences = o.sequences;
    in.cancel = &s->cancel;
    const int rc = qn_session_new(&s->session, model->model, qn_api_kernels(), pool ? pool->pool : NULL, &in);
    if (rc < 0) {
        qn_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

void quern_session_free(quern_session *s) {
    if (!s)
        return;
    qn_session_free(s->session);
    qn_ids_drop(&s->held);
    qn_free(s);
}

typedef struct { float *to; size_t bytes; } logits_copy;

static int copy_logits(void *arg, int64_t feed, int64_t i, const float *logits) {
    const logits_copy *c = arg;
    (void)feed;
    (void)i;
    memcpy(c->to, logits, c->bytes);
    return 0;
}

static int check_sequence(const quern_session *s, int64_t sequence) {
    if (sequence >= 0 && sequence < qn_session_sequences(s->session))
        return 0;
    return qn_fail(QN_EINVAL, "sequence %lld; the session has %lld", (long long)sequence,
                   (long long)qn_session_sequences(s->session));
}

int quern_session_feed(quern_session *s, int64_t sequence, const int32_t *ids, size_t count, float *logits) {
    logits_copy copy = {logits, (size_t)qn_session_vocabulary(s->session) * sizeof *logits};
    const qn_feed f = {sequence, ids, (int64_t)count, logits ? QN_LOGITS_LAST : QN_LOGITS_NONE};
    QN_TRY(check_sequence(s, sequence));
    atomic_store(&s->cancel, false);
    if (sequence == 0)
        qn_ids_clear(&s->held);         /* what quern_generate knew of the sequence is no longer all of it */
    return qn_session_feed(s->session, &f, 1, copy_logits, &copy);
}

int64_t quern_session_length(const quern_session *s, int64_t sequence) {
    QN_TRY(check_sequence(s, sequence));
    return qn_session_length(s->session, sequence);
}

int quern_session_truncate(quern_session *s, int64_t sequence, int64_t length) {
    QN_TRY(check_sequence(s, sequence));
    if (length < 0 || length > qn_session_length(s->session, sequence))
        return qn_fail(QN_EINVAL, "cannot cut a sequence of %lld positions to %lld",
                       (long long)qn_session_length(s->session, sequence), (long long)length);
    qn_session_truncate(s->session, sequence, length);
    if (sequence == 0)
        s->held.n = QN_MIN(s->held.n, (size_t)length);
    return 0;
}

void quern_session_cancel(quern_session *s) { atomic_store(&s->cancel, true); }

/* ---- generation ---- */

quern_generate_options quern_generate_options_default(void) {
    return (quern_generate_options){
        .size = sizeof(quern_generate_options), .max_tokens = 128, .top_p = 1, .repetition_penalty = 1};
}

typedef struct { quern_text_fn *fn; void *user; } text_sink;

static int on_token(void *arg, const qn_token_event *e) {
    const text_sink *sink = arg;
    return sink->fn && e->text.n && sink->fn(sink->user, e->text.s, e->text.n) != 0;
}

/* Checked copies of the caller's stop strings. */
static int stop_strings(const quern_generate_options *o, qn_str **out) {
    *out = NULL;
    if (o->n_stop && !o->stop)
        return qn_fail(QN_EINVAL, "%zu stop strings are announced, but there are none", o->n_stop);
    if (o->n_stop > 1024)
        return qn_fail(QN_EINVAL, "%zu stop strings; at most 1024", o->n_stop);
    if (o->n_stop && !(*out = qn_alloc(QN_MEM_SESSION, o->n_stop * sizeof **out)))
        return QN_ENOMEM;
    for (size_t i = 0; i < o->n_stop; i++)
        (*out)[i] = qn_str_of(o->stop[i]);
    return 0;
}

static qn_generate_options inner_options(const quern_generate_options *o, const qn_str *stop) {
    qn_generate_options g = qn_generate_options_default();
    g.max_new = o->max_tokens;
    g.sampler.temperature = o->temperature;
    g.sampler.top_k = o->top_k;
    g.sampler.top_p = o->top_p;
    g.sampler.min_p = o->min_p;
    g.sampler.repetition_penalty = o->repetition_penalty;
    g.sampler.frequency_penalty = o->frequency_penalty;
    g.sampler.presence_penalty = o->presence_penalty;
    g.sampler.seed = o->seed;
    g.stop = stop;
    g.n_stop = (int64_t)o->n_stop;
    g.ignore_eos = o->ignore_eos != 0;
    return g;
}

int quern_generate(quern_session *s, const quern_tokenizer *t, const int32_t *prompt, size_t count,
                   const quern_generate_options *options, quern_text_fn *fn, void *user,
                   quern_generate_result *result) {
    quern_generate_options o = quern_generate_options_default();
    qn_generate_result r = {0};
    text_sink sink = {fn, user};
    qn_ids ids = {0};
    qn_str *stop = NULL;
    int rc;
    QN_TRY(qn_api_options(&o, sizeof o, options));
    QN_TRY_OUT(stop_strings(&o, &stop));
    for (size_t i = 0; i < count; i++)
        QN_TRY_OUT(qn_ids_push(&ids, prompt[i]));
    const qn_generate_options inner = inner_options(&o, stop);
    atomic_store(&s->cancel, false);
    QN_TRY_OUT(qn_generate(s->session, t->tok, 0, &s->held, &ids, &inner, on_token, &sink, &r));
    if (result)
        *result = (quern_generate_result){qn_stop_reason_name(r.reason),
                                          r.prompt_tokens,
                                          r.cached_tokens,
                                          r.new_tokens,
                                          r.prefill_seconds,
                                          r.decode_seconds};
out:
    qn_ids_drop(&ids);
    qn_free(stop);
    return rc;
}
