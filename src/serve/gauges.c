/* serve/gauges.c — Prometheus' text format: https://prometheus.io/docs/instrumenting/exposition_formats/ */
#include "serve/gauges.h"

static const int statuses[] = {200, 204, 400, 401, 403, 404, 405, 413, 429, 500, 503};
static const double bounds[QN_METRIC_BUCKETS - 1] = {0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};

void qn_gauges_status(qn_gauges *m, int status) {
    size_t i = 0;
    while (i < QN_LEN(statuses) && statuses[i] != status)
        i++;
    atomic_fetch_add_explicit(&m->status[i], 1, memory_order_relaxed);
}

void qn_gauges_seconds(qn_histogram *h, double seconds) {
    size_t i = 0;
    while (i < QN_LEN(bounds) && seconds > bounds[i])
        i++;
    atomic_fetch_add_explicit(&h->count[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->microseconds, (int64_t)(seconds * 1e6), memory_order_relaxed);
}

static int put_head(qn_buf *out, const char *name, const char *type, const char *help) {
    return qn_buf_printf(out, "# HELP quern_%s %s\n# TYPE quern_%s %s\n", name, help, name, type);
}

static int put_statuses(const qn_gauges *m, qn_buf *out) {
    QN_TRY(put_head(out, "http_responses_total", "counter", "Answers by HTTP status."));
    for (size_t i = 0; i < QN_LEN(statuses); i++)
        QN_TRY(qn_buf_printf(out, "quern_http_responses_total{status=\"%d\"} %lld\n", statuses[i],
                             (long long)m->status[i]));
    return qn_buf_printf(out, "quern_http_responses_total{status=\"other\"} %lld\n",
                         (long long)m->status[QN_LEN(statuses)]);
}

static int put_histogram(const qn_histogram *h, const char *name, const char *help, qn_buf *out) {
    char bound[QN_F64_TEXT];
    int64_t sum = 0;
    QN_TRY(put_head(out, name, "histogram", help));
    for (size_t i = 0; i < QN_LEN(bounds); i++) {
        qn_f64_text(bounds[i], bound);
        sum += h->count[i];
        QN_TRY(qn_buf_printf(out, "quern_%s_bucket{le=\"%s\"} %lld\n", name, bound, (long long)sum));
    }
    sum += h->count[QN_LEN(bounds)];
    qn_f64_text((double)h->microseconds * 1e-6, bound);
    return qn_buf_printf(out, "quern_%s_bucket{le=\"+Inf\"} %lld\nquern_%s_sum %s\nquern_%s_count %lld\n", name,
                         (long long)sum, name, bound, name, (long long)sum);
}

int qn_gauges_write(const qn_gauges *m, const qn_scheduler_stats *s, qn_buf *out) {
    const struct { const char *name, *type, *help; double v; } row[] = {
        {"prompt_tokens_total", "counter", "Tokens of prompts that were read.", (double)s->total.prompt_tokens},
        {"cached_tokens_total", "counter", "Tokens of prompts that were held already.",
         (double)s->total.cached_tokens},
        {"new_tokens_total", "counter", "Tokens of answers.", (double)s->total.new_tokens},
        {"answers_total", "counter", "Answers that came to their end.", (double)s->total.answers},
        {"answers_failed_total", "counter", "Answers that failed.", (double)s->total.failed},
        {"answers_cancelled_total", "counter", "Answers whose client went away.", (double)s->total.cancelled},
        {"answers_refused_total", "counter", "Answers that found the queue full.", (double)s->refused},
        {"texts_embedded_total", "counter", "Texts made into vectors.", (double)m->embedded},
        {"grammars_read_total", "counter", "Schemas and grammars that were read.", (double)m->grammars_read},
        {"grammars_kept_total", "counter", "… that were there already.", (double)m->grammars_kept},
        {"clients_gone_total", "counter", "Clients that went away before the end.", (double)m->gone},
        {"passes_total", "counter", "Runs of the model.", (double)s->total.passes},
        {"busy_seconds_total", "counter", "Time spent in runs of the model.", s->total.busy_seconds},
        {"slots", "gauge", "Answers that can be under way at once.", (double)s->slots},
        {"slots_active", "gauge", "Answers under way.", (double)s->active},
        {"queue_waiting", "gauge", "Answers that wait for a slot.", (double)s->waiting},
        {"embeddings_active", "gauge", "Requests for embeddings under way.", (double)s->embedding},
        {"kv_used_peak_bytes", "gauge", "Memory of keys and values that was touched at the most.", (double)s->kv_used},
        {"kv_most_bytes", "gauge", "Memory of keys and values that can be touched.", (double)s->kv_most},
        {"connections", "gauge", "Open connections.", (double)m->connections},
    };
    char text[QN_F64_TEXT];
    for (size_t i = 0; i < QN_LEN(row); i++) {
        QN_TRY(put_head(out, row[i].name, row[i].type, row[i].help));
        qn_f64_text(row[i].v, text);
        QN_TRY(qn_buf_printf(out, "quern_%s %s\n", row[i].name, text));
    }
    QN_TRY(put_statuses(m, out));
    QN_TRY(put_histogram(&m->first_token, "first_token_seconds", "From a request to its first token.", out));
    return put_histogram(&m->whole, "answer_seconds", "From a request to the end of its answer.", out);
}
