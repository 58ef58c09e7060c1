/* cli/sampling.c — options to qn_generate_options: a base, the model's recommendations, the user's word. */
#include "cli/sampling.h"

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
        {"temp", &o->temperature}, {"top-p", &o->top_p}, {"min-p", &o->min_p},
        {"repetition-penalty", &o->repetition_penalty}, {"frequency-penalty", &o->frequency_penalty},
        {"presence-penalty", &o->presence_penalty},
    };
    for (size_t i = 0; i < QN_LEN(floats); i++)
        if (qn_cli_given(c, floats[i].name))
            *floats[i].to = qn_cli_float(c, floats[i].name);
    if (qn_cli_given(c, "top-k"))
        o->top_k = qn_cli_int(c, "top-k");
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
    return stop_strings(c, extra_stop, s);
}

void qn_sampling_drop(qn_sampling *s) {
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
