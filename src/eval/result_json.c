/* eval/result_json.c — results as JSON: for --json, for result files that reports read, for a line per item. */
#include <string.h>

#include "eval/result.h"
#include "base/json_fields.h"

static void put_figure(qn_jw *w, const qn_figure *f) {
    qn_field_f64(w, "value", f->value);
    qn_field_f64(w, "lo", f->in.lo);
    qn_field_f64(w, "hi", f->in.hi);
    qn_field_i64(w, "n", f->n);
}

static void put_groups(qn_jw *w, const qn_task_result *r) {
    qn_jw_key(w, "groups");
    qn_jw_open(w, '{');
    for (size_t g = 0; g < r->groups; g++) {
        if (g == 0 || !qn_str_eq(r->group[g].key, r->group[g - 1].key)) {
            if (g > 0)
                qn_jw_close(w);
            qn_jw_key_str(w, r->group[g].key);
            qn_jw_open(w, '{');
        }
        qn_jw_key_str(w, r->group[g].value);
        qn_jw_open(w, '{');
        put_figure(w, &r->group[g].figure);
        qn_jw_close(w);
    }
    if (r->groups > 0)
        qn_jw_close(w);
    qn_jw_close(w);
}

static void put_metrics(qn_jw *w, const qn_task_result *r) {
    qn_jw_key(w, "metrics");
    qn_jw_open(w, '{');
    for (int i = 0; i < r->figures; i++) {
        qn_jw_key(w, r->figure[i].name);
        qn_jw_open(w, '{');
        put_figure(w, &r->figure[i]);
        qn_jw_close(w);
    }
    qn_jw_close(w);
}

void qn_task_result_json(qn_jw *w, const qn_task_result *r) {
    qn_field_text(w, "name", r->task->name);
    qn_field_text(w, "kind", qn_str_of(qn_task_kind_name(r->task->kind)));
    if (r->task->description.n)
        qn_field_text(w, "description", r->task->description);
    if (r->task->protocol.n)
        qn_field_text(w, "protocol", r->task->protocol);
    qn_field_i64(w, "n", r->n);
    if (r->figures > 0) {
        qn_field_text(w, "metric", qn_str_of(r->figure[0].name));
        qn_field_f64(w, "value", r->figure[0].value);
        qn_field_f64(w, "lo", r->figure[0].in.lo);
        qn_field_f64(w, "hi", r->figure[0].in.hi);
    }
    qn_field_f64(w, "chance", r->chance);
    qn_field_f64(w, "majority", r->majority);
    qn_field_i64(w, "truncated", r->cut);
    qn_field_f64(w, "seconds", r->seconds);
    put_metrics(w, r);
    put_groups(w, r);
}

void qn_suite_json(qn_jw *w, const qn_suite *s) {
    qn_jw_key(w, "tasks");
    qn_jw_open(w, '[');
    for (int64_t t = 0; t < s->tasks; t++) {
        qn_jw_open(w, '{');
        qn_task_result_json(w, qn_suite_at(s, t, 0));
        qn_jw_key(w, "baselines");
        qn_jw_open(w, '{');
        for (int64_t b = 1; b < s->scorers; b++) {
            const qn_task_result *r = qn_suite_at(s, t, b);
            if (r->left_out)
                continue;
            qn_jw_key(w, r->scorer);
            qn_jw_open(w, '{');
            put_figure(w, &r->figure[0]);
            put_groups(w, r);
            qn_jw_close(w);
        }
        qn_jw_close(w);
        qn_jw_close(w);
    }
    qn_jw_close(w);
}

/* ---- one item ---- */

static void put_choices(qn_jw *w, const qn_item_result *i) {
    qn_field_i64(w, "answer", i->item->answer);
    qn_field_i64(w, "pick", i->pick);
    qn_field_i64(w, "pick_norm", i->pick_norm);
    qn_jw_key(w, "greedy");
    qn_jw_bool(w, i->greedy);
    qn_jw_key(w, "logprobs");
    qn_jw_open(w, '[');
    for (int64_t c = 0; c < i->item->choices; c++)
        qn_jw_f64(w, i->logprob[c]);
    qn_jw_close(w);
}

static void put_answer(qn_jw *w, const qn_item_result *i) {
    qn_field_text(w, "text", i->answer);
    qn_jw_key(w, "right");
    qn_jw_bool(w, i->verdict.right);
    if (i->item->judge == QN_JUDGE_GSM8K) {
        qn_jw_key(w, "flexible");
        qn_jw_bool(w, i->verdict.flexible);
    }
    if (i->item->judge == QN_JUDGE_ABSTAIN) {
        qn_jw_key(w, "abstained");
        qn_jw_bool(w, i->verdict.abstained);
    }
    if (i->item->judge == QN_JUDGE_REFUSE) {
        qn_jw_key(w, "refused");
        qn_jw_bool(w, i->verdict.refused);
    }
    qn_field_f64(w, "confidence", i->confidence);
}

void qn_item_json(qn_jw *w, const qn_task_result *r, const qn_item_result *i) {
    double num, den;
    qn_main_series(r, i, &num, &den);
    qn_jw_open(w, '{');
    qn_field_text(w, "task", r->task->name);
    qn_field_text(w, "id", i->item->id);
    qn_field_f64(w, r->figure[0].name, den > 0 ? num / den : 0);
    if (i->logprob)
        put_choices(w, i);
    else if (r->task->kind == QN_TASK_GENERATE)
        put_answer(w, i);
    else
        qn_field_f64(w, "nats", i->nats);
    qn_field_i64(w, "tokens", i->tokens);
    qn_jw_key(w, "truncated");
    qn_jw_bool(w, i->cut);
    qn_jw_close(w);
}
