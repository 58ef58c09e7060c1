/* eval/hhh_json.c — alignment as JSON: rows by part, differences to the reference, who wins, how long, how far. */
#include <math.h>

#include "base/json_fields.h"
#include "eval/hhh.h"

static void put_interval(qn_jw *w, const qn_interval *in) {
    qn_field_f64(w, "lo", in->lo);
    qn_field_f64(w, "hi", in->hi);
}

static void put_cell(qn_jw *w, const qn_hhh_cell *c, bool referred) {
    qn_field_f64(w, "value", c->value);
    put_interval(w, &c->in);
    qn_field_i64(w, "n", c->n);
    if (!referred)
        return;
    qn_field_open(w, "difference", '{');
    qn_field_f64(w, "value", c->difference);
    put_interval(w, &c->d);
    qn_jw_close(w);
}

static void put_row(const qn_hhh_result *r, const qn_hhh_row *row, const qn_hhh_cell *c, bool referred, qn_jw *w) {
    qn_jw_open(w, '{');
    qn_field_str(w, "name", row->key);
    qn_field_str(w, "part", qn_hhh_part_name(row->part));
    qn_field_str(w, "about", row->title);
    qn_field_bool(w, "headline", row->headline);
    qn_field_bool(w, "lower_is_better", row->lower);
    put_cell(w, c, referred);
    qn_field_f64(w, "chance", qn_hhh_chance(r->sets, row));
    qn_jw_close(w);
}

static void put_bits(int kind, const qn_hhh_cell *c, bool referred, qn_jw *w) {
    qn_jw_open(w, '{');
    qn_field_str(w, "name", qn_bits_kind_name[kind]);
    qn_field_str(w, "part", "bits");
    qn_field_str(w, "about", "bits per byte of that kind of choice");
    qn_field_bool(w, "headline", false);
    qn_field_bool(w, "lower_is_better", true);
    put_cell(w, c, referred);
    qn_jw_close(w);
}

static void put_win(const char *key, const qn_hhh_win *win, qn_jw *w) {
    qn_field_open(w, key, '{');
    qn_field_f64(w, "rate", win->rate);
    put_interval(w, &win->in);
    qn_field_i64(w, "n", win->n);
    qn_field_i64(w, "better", win->better);
    qn_field_i64(w, "equal", win->equal);
    qn_field_i64(w, "worse", win->worse);
    qn_jw_close(w);
}

static void put_pairs(const qn_hhh_model *m, qn_jw *w) {
    const qn_hhh_pairs *p = &m->pairs;
    qn_field_open(w, "wins", '{');
    put_win("all", &p->all, w);
    for (int part = 0; part < QN_HHH_CAPABILITY; part++)
        put_win(qn_hhh_part_name((qn_hhh_part)part), &p->part[part], w);
    put_win("like_length", &p->alike, w);
    qn_jw_close(w);
    qn_field_open(w, "length", '{');
    qn_field_f64(w, "bytes", p->bytes);
    qn_field_f64(w, "bytes_reference", p->bytes_reference);
    qn_field_f64(w, "tokens", p->tokens);
    qn_field_f64(w, "tokens_reference", p->tokens_reference);
    qn_field_f64(w, "longer", p->longer);
    qn_jw_close(w);
    qn_field_open(w, "kl", '{');
    qn_field_str(w, "along", "the reference's greedy answers");
    qn_field_f64(w, "value", m->kl.mean);
    put_interval(w, &m->kl.in);
    qn_field_i64(w, "n", m->kl.n);
    qn_field_i64(w, "tokens", m->kl.tokens);
    qn_field_i64(w, "ids", m->kl.ids);
    if (m->kl.ids < QN_MAX(m->kl.ids_model, m->kl.ids_reference)) {
        qn_field_f64(w, "outside", m->kl.outside);
        qn_field_f64(w, "outside_reference", m->kl.outside_reference);
        qn_field_i64(w, "left_out", m->kl.left_out);
    }
    qn_jw_close(w);
}

static void put_model(const qn_hhh_result *r, const qn_hhh_model *m, bool referred, qn_jw *w) {
    qn_jw_open(w, '{');
    qn_field_str(w, "name", m->name);
    qn_field_str(w, "path", m->path);
    qn_field_str(w, "model", m->identity);
    if (m->n_adapters) {
        qn_field_open(w, "adapters", '[');
        for (size_t i = 0; i < m->n_adapters; i++)
            qn_jw_str(w, qn_str_of(m->adapter[i]));
        qn_jw_close(w);
    }
    if (m->recipe.s) {
        qn_jw_key(w, "recipe");
        qn_jw_raw(w, m->recipe);
    }
    qn_field_open(w, "rows", '[');
    for (int i = 0; qn_hhh_rows[i].key; i++)
        if (m->cell[i].n > 0)
            put_row(r, &qn_hhh_rows[i], &m->cell[i], referred, w);
    for (int k = 0; k < QN_BITS_KINDS && qn_bits_kind_name[k]; k++)
        if (m->cell[QN_HHH_ROWS + k].n > 0)
            put_bits(k, &m->cell[QN_HHH_ROWS + k], referred, w);
    qn_jw_close(w);
    if (referred)
        put_pairs(m, w);
    qn_jw_close(w);
}

void qn_hhh_json(const qn_hhh_result *r, qn_jw *w) {
    qn_field_str(w, "format", "quern-eval-1");
    qn_field_str(w, "suite", "hhh");
    qn_field_i64(w, "seed", (int64_t)r->seed);
    qn_field_i64(w, "reference", r->reference);
    qn_field_open(w, "words_alone", '{');
    qn_field_f64(w, "refusal", r->sets->words.refusal);
    qn_field_f64(w, "abstention", r->sets->words.abstention);
    qn_field_f64(w, "premise", r->sets->words.premise);
    qn_jw_close(w);
    qn_field_open(w, "models", '[');
    for (int64_t i = 0; i < r->n; i++)
        put_model(r, &r->model[i], r->reference >= 0 && i != r->reference, w);
    qn_jw_close(w);
}
