/* cli/sampling.c — options to qn_generate_options: a base, the model's recommendations, the user's word. */
#include "cli/sampling.h"

#include <math.h>
#include <string.h>

#include "base/file.h"

qn_sampler_options qn_sampling_lively(void) {
    qn_sampler_options o = qn_sampler_options_default();
    o.temperature = 0.7;
    o.top_p = 0.95;
    return o;
}

static void recommend(double *to, double value) {
    if (value == value)                 /* NaN: not said */
        *to = value;
}

static int recommended(const qn_source *source, qn_sampler_options *o) {
    qn_sampling_defaults d;
    double top_k = (double)o->top_k;
    QN_TRY(qn_source_sampling(source, &d));
    recommend(&o->temperature, d.temperature);
    recommend(&o->top_p, d.top_p);
    recommend(&o->min_p, d.min_p);
    recommend(&o->repetition_penalty, d.repetition_penalty);
    recommend(&top_k, d.top_k);
    o->top_k = top_k >= 0 && top_k < 1e9 ? (int64_t)top_k : 0;
    const int rc = qn_sampler_options_check(o);
    return rc < 0 ? qn_fail_in(rc, "%s: recommended sampling", qn_source_path(source)) : 0;
}

static void written(const qn_cli *c, qn_sampler_options *o) {
    const struct { const char *name; double *to; } floats[] = {
        {"temp", &o->temperature}, {"typical", &o->typical}, {"top-p", &o->top_p}, {"min-p", &o->min_p},
        {"xtc-probability", &o->xtc_probability}, {"xtc-threshold", &o->xtc_threshold},
        {"mirostat-tau", &o->mirostat_tau}, {"mirostat-eta", &o->mirostat_eta},
        {"dry-multiplier", &o->dry_multiplier}, {"dry-base", &o->dry_base},
        {"repetition-penalty", &o->repetition_penalty}, {"frequency-penalty", &o->frequency_penalty},
        {"presence-penalty", &o->presence_penalty},
    };
    for (size_t i = 0; i < QN_LEN(floats); i++)
        if (qn_cli_given(c, floats[i].name))
            *floats[i].to = qn_cli_float(c, floats[i].name);
    if (qn_cli_given(c, "top-k"))
        o->top_k = qn_cli_int(c, "top-k");
    if (qn_cli_given(c, "mirostat"))
        o->mirostat = (int)qn_cli_int(c, "mirostat");
    if (qn_cli_given(c, "dry-allowed"))
        o->dry_allowed = qn_cli_int(c, "dry-allowed");
    if (qn_cli_given(c, "dry-last"))
        o->dry_last = qn_cli_int(c, "dry-last");
    o->penalty_last = qn_cli_int(c, "penalty-last");
    o->seed = (uint64_t)qn_cli_int(c, "seed");
}

static int stop_strings(const qn_cli *c, const char *extra, qn_sampling *s) {
    size_t n;
    const char *const *texts = qn_cli_list(c, "stop", &n);
    s->stop = qn_zalloc(QN_MEM_CLI, n + 1, sizeof *s->stop);
    if (!s->stop)
        return QN_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        s->stop[i] = qn_str_of(texts[i]);
        if (s->stop[i].n == 0)
            return qn_fail(QN_EUSAGE, "--stop: an empty text would never, or always, appear");
    }
    if (extra)
        s->stop[n++] = qn_str_of(extra);
    s->o.stop = s->stop;
    s->o.n_stop = (int64_t)n;
    return 0;
}

/* What cannot work is said before a model is loaded. */
static int contradictions(const qn_cli *c, const qn_sampler_options *o) {
    static const char *const warm[] = {"typical", "xtc-probability", "mirostat"};
    static const char *const cuts[] = {"top-k", "typical", "top-p", "min-p", "xtc-probability"};
    for (size_t i = 0; i < QN_LEN(warm); i++)
        if (qn_cli_given(c, warm[i]) && o->temperature < 1e-5)
            return qn_fail(QN_EUSAGE, "--%s does nothing without a temperature: add --temp 1, say", warm[i]);
    for (size_t i = 0; i < QN_LEN(cuts); i++)
        if (o->mirostat && qn_cli_given(c, cuts[i]))
            return qn_fail(QN_EUSAGE, "--mirostat stands in place of --%s: give one of them", cuts[i]);
    return 0;
}

int qn_sampling_grammar(const qn_cli *c, qn_sampling *s) {
    const bool schema = qn_cli_given(c, "json-schema");
    const char *path = qn_cli_str(c, schema ? "json-schema" : "grammar");
    qn_buf text = {0};
    if (schema && qn_cli_given(c, "grammar"))
        return qn_fail(QN_EUSAGE, "--grammar and --json-schema exclude one another");
    if (!path)
        return 0;
    int rc = qn_read_file(&text, path, QN_SYNTAX_TEXT_MAX);
    if (rc >= 0)
        rc = schema ? qn_syntax_schema(&s->grammar, qn_buf_view(&text), path, NULL)
                    : qn_syntax_gbnf(&s->grammar, qn_buf_view(&text), path);
    qn_buf_drop(&text);
    return rc;
}

int qn_sampling_get(qn_cli *c, const qn_sampler_options *base, const qn_source *source, const char *extra_stop,
                    qn_sampling *s) {
    s->o = qn_generate_options_default();
    qn_sampler_options *o = &s->o.sampler;
    *o = *base;
    if (source)
        QN_TRY(recommended(source, o));
    written(c, o);
    s->o.ignore_eos = qn_cli_flag(c, "ignore-eos");
    s->o.special = qn_cli_flag(c, "special");
    qn_log(QN_LOG_DEBUG, "sampling: temperature %g, top-k %lld, top-p %g, min-p %g, repetition %g, frequency %g, "
           "presence %g over %lld tokens, seed %llu", o->temperature, (long long)o->top_k, o->top_p, o->min_p,
           o->repetition_penalty, o->frequency_penalty, o->presence_penalty, (long long)o->penalty_last,
           (unsigned long long)o->seed);
    QN_TRY(contradictions(c, o));
    return stop_strings(c, extra_stop, s);
}

/* ---- what needs the vocabulary ---- */

/* "ID:X"; X a number or -inf. */
static int one_bias(const char *word, int64_t V, qn_logit_bias *b) {
    const char *colon = strchr(word, ':');
    int64_t id = -1;
    double x = 0;
    const bool never = colon && strcmp(colon + 1, "-inf") == 0;
    if (!colon || !qn_parse_i64((qn_str){word, (size_t)(colon - word)}, &id) ||
        (!never && !qn_parse_f64(qn_str_of(colon + 1), &x)))
        return qn_fail(QN_EUSAGE, "--logit-bias %s: expected ID:X, as in 2:-inf or 198:1.5", word);
    if (id < 0 || id >= V)
        return qn_fail(QN_EUSAGE, "--logit-bias %s: the model has tokens 0 to %lld", word, (long long)V - 1);
    *b = (qn_logit_bias){(int32_t)id, never ? -INFINITY : (float)x};
    return 0;
}

static int biases(const qn_cli *c, int64_t V, qn_sampling *s) {
    size_t n;
    const char *const *words = qn_cli_list(c, "logit-bias", &n);
    if (n == 0)
        return 0;
    s->bias = qn_alloc(QN_MEM_CLI, n * sizeof *s->bias);
    if (!s->bias)
        return QN_ENOMEM;
    for (size_t i = 0; i < n; i++)
        QN_TRY(one_bias(words[i], V, &s->bias[i]));
    s->o.sampler.bias = s->bias;
    s->o.sampler.n_bias = (int64_t)n;
    return 0;
}

static int breakers(const qn_cli *c, const qn_tok *tok, int64_t V, qn_sampling *s) {
    size_t n;
    const char *const *words = qn_cli_list(c, "dry-breaker", &n);
    if (s->o.sampler.dry_multiplier <= 0 && !s->by_request)
        return 0;
    qn_str *texts = qn_alloc(QN_MEM_CLI, (n + 1) * sizeof *texts);
    if (!texts)
        return QN_ENOMEM;
    for (size_t i = 0; i < n; i++)
        texts[i] = qn_str_of(words[i]);
    const int rc = qn_dry_breaks_new(&s->breaks, tok, V, texts, (int64_t)n);
    s->o.sampler.dry_breaks = s->breaks;
    qn_free(texts);
    return rc;
}

int qn_sampling_bind(const qn_cli *c, const qn_opened *m, qn_sampling *s) {
    const qn_config *cfg = &m->model->cfg;
    const int64_t V = qn_session_vocabulary(m->session);
    QN_TRY(biases(c, V, s));
    QN_TRY(breakers(c, m->tok, V, s));
    if (!s->grammar)
        return 0;
    QN_TRY(qn_token_trie_new(&s->trie, m->tok, V));
    QN_TRY(qn_masks_new(&s->masks, s->grammar, s->trie, cfg->eos, s->o.ignore_eos ? 0 : cfg->n_eos));
    QN_TRY(qn_guide_init(&s->guide, s->masks));
    s->o.sampler.guide = &s->guide;
    return 0;
}

void qn_sampling_drop(qn_sampling *s) {
    qn_guide_drop(&s->guide);
    qn_masks_free(s->masks);
    qn_token_trie_free(s->trie);
    qn_syntax_free(s->grammar);
    qn_free(s->bias);
    qn_free(s->breaks);
    qn_free(s->stop);
    *s = (qn_sampling){0};
}

double qn_prefill_rate(const qn_generate_result *r) {
    return r->prefill_seconds > 0 ? (double)(r->prompt_tokens - r->cached_tokens) / r->prefill_seconds : 0;
}

double qn_decode_rate(const qn_generate_result *r) {
    return r->decode_seconds > 0 && r->new_tokens > 1 ? (double)(r->new_tokens - 1) / r->decode_seconds : 0;
}

void qn_put_result_json(qn_jw *w, const qn_opened *m, const qn_generate_result *r) {
    const struct { const char *key; int64_t v; } counts[] = {
        {"prompt_tokens", r->prompt_tokens}, {"cached_tokens", r->cached_tokens}, {"new_tokens", r->new_tokens},
        {"context", qn_session_context(m->session)}, {"context_used", qn_session_length(m->session, 0)},
    };
    qn_jw_key(w, "stop_reason");
    qn_jw_str(w, qn_str_of(qn_stop_reason_name(r->reason)));
    for (size_t i = 0; i < QN_LEN(counts); i++) {
        qn_jw_key(w, counts[i].key);
        qn_jw_i64(w, counts[i].v);
    }
    qn_jw_key(w, "prefill_tokens_per_second");
    qn_jw_f64(w, qn_prefill_rate(r));
    qn_jw_key(w, "decode_tokens_per_second");
    qn_jw_f64(w, qn_decode_rate(r));
}

void qn_warn_context(const qn_opened *m, const qn_generate_result *r) {
    if (r->reason != QN_STOP_CONTEXT)
        return;
    const int64_t context = qn_session_context(m->session), trained = m->model->cfg.context;
    qn_log(QN_LOG_WARN, "the answer was cut: the context of %lld tokens is full%s", (long long)context,
           context < trained ? "; --ctx N asks for a longer one" : "");
}
