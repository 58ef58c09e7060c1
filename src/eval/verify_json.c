/* eval/verify_json.c — the statement as members of a JSON object (docs/EVALUATION.md). */
#include "base/json_fields.h"
#include "eval/verify.h"

#include <math.h>
#include <stdio.h>

static void put_fed(const qn_verify_result *r, qn_jw *w) {
    char text[32];
    qn_field_open(w, "fed", '{');
    qn_field_str(w, "text", r->own_text ? "given" : "built in");
    qn_field_i64(w, "context", r->ctx);
    qn_field_i64(w, "sequences", r->sequences);
    qn_field_i64(w, "tokens", r->tokens);
    qn_field_i64(w, "drawn", r->drawn);
    qn_field_i64(w, "seed", (int64_t)r->seed);
    snprintf(text, sizeof text, "%016llx", (unsigned long long)r->fingerprint);
    qn_field_str(w, "fingerprint", text);
    qn_jw_close(w);
}

static void put_logits(const qn_verify_result *r, qn_jw *w) {
    qn_field_open(w, "tokenizer", '{');
    qn_field_bool(w, "equal", true);
    qn_field_i64(w, "ids", r->ids);
    qn_field_bool(w, "special_tokens_equal", r->specials_equal);
    qn_field_bool(w, "chat_template_equal", r->template_equal);
    qn_jw_close(w);
    qn_field_open(w, "logits", '{');
    qn_field_i64(w, "rows", r->rows);
    qn_field_i64(w, "same_rows", r->same_rows);
    qn_field_i64(w, "not_numbers", r->not_numbers);
    qn_field_i64(w, "ids", r->V);
    qn_field_f64(w, "max_delta", r->max_delta);
    qn_field_f64(w, "mean_delta", r->mean_delta);
    qn_field_f64(w, "spread", r->spread);
    qn_field_f64(w, "max_relative", r->max_delta / r->spread);
    qn_field_f64(w, "mean_relative", r->mean_delta / r->spread);
    qn_jw_close(w);
}

static void put_texts(const qn_verify_result *r, qn_jw *w) {
    qn_field_open(w, "kl", '{');
    qn_field_f64(w, "mean", r->kl_mean);
    qn_field_f64(w, "p99", r->kl_p99);
    qn_field_f64(w, "worst", r->kl_worst);
    qn_field_i64(w, "worst_sequence", r->worst_sequence);
    qn_field_i64(w, "worst_position", r->worst_position);
    qn_field_text(w, "worst_behind", qn_buf_view(&r->worst_text));
    qn_jw_close(w);
    qn_field_f64(w, "top1", r->top1);
    qn_field_open(w, "perplexity", '{');
    qn_field_f64(w, "a", r->ppl_a);
    qn_field_f64(w, "b", r->ppl_b);
    qn_field_f64(w, "ratio", r->ppl_ratio);
    qn_field_i64(w, "tokens", r->scored);
    qn_jw_close(w);
    qn_field_open(w, "bits_per_byte", '{');
    qn_field_f64(w, "a", r->bits_a);
    qn_field_f64(w, "b", r->bits_b);
    qn_field_i64(w, "bytes", r->bytes);
    qn_jw_close(w);
    qn_field_open(w, "continuations", '{');
    qn_field_i64(w, "prompts", r->prompts);
    qn_field_i64(w, "length", r->length);
    qn_field_i64(w, "together", r->together);
    qn_field_f64(w, "shared_mean", r->shared_mean);
    qn_field_i64(w, "shared_least", r->shared_least);
    qn_jw_close(w);
}

/* Where A has adapters and B has none; kept is null where they do nothing. */
static void put_kept(const qn_verify_result *r, qn_jw *w) {
    if (isnan(r->effect))
        return;
    qn_field_open(w, "adapter_effect", '{');
    qn_field_f64(w, "kl_without", r->effect);
    qn_field_f64(w, "kept", qn_verify_kept(r));
    qn_jw_close(w);
}

static void put_facts(const qn_verify_result *r, qn_jw *w) {
    qn_field_open(w, "facts", '[');
    for (int64_t i = 0; i < r->facts; i++) {
        const qn_verify_fact *f = &r->fact[i];
        qn_jw_open(w, '{');
        qn_field_text(w, "name", f->name);
        qn_field_str(w, "metric", f->metric);
        qn_field_i64(w, "n", f->n);
        qn_field_f64(w, "a", f->a);
        qn_field_f64(w, "b", f->b);
        qn_field_f64(w, "difference", f->d.difference);
        qn_field_f64(w, "lo", f->d.in.lo);
        qn_field_f64(w, "hi", f->d.in.hi);
        qn_field_f64(w, "p", f->d.p);
        qn_jw_close(w);
    }
    qn_jw_close(w);
}

static void put_checks(const qn_verify_result *r, qn_jw *w) {
    qn_field_open(w, "checks", '[');
    for (int i = 0; i < r->checks; i++) {
        const qn_verify_check *c = &r->check[i];
        qn_jw_open(w, '{');
        qn_field_str(w, "figure", c->name);
        qn_field_f64(w, "value", c->value);
        qn_field_f64(w, c->at_least ? "at_least" : "at_most", c->limit);
        qn_field_bool(w, "kept", c->kept);
        qn_jw_close(w);
    }
    qn_jw_close(w);
}

void qn_verify_json(const qn_verify_result *r, qn_jw *w) {
    qn_field_str(w, "format", "quern-verify-1");
    qn_field_str(w, "a", r->a);
    qn_field_str(w, "b", r->b);
    qn_field_str(w, "expect", qn_verify_relation_name(r->relation));
    qn_field_str(w, "verdict", r->failed ? "beyond the limits" : r->checks ? "within the limits" : "no limits");
    put_fed(r, w);
    put_logits(r, w);
    put_texts(r, w);
    put_kept(r, w);
    put_facts(r, w);
    put_checks(r, w);
    qn_field_f64(w, "seconds", r->seconds);
}
