/* cli/cmd_info.c — `quern info`: what a model is and what it will take, before anything is loaded. */
#include <stdio.h>

#include "base/json_fields.h"
#include "cli/cli.h"
#include "cli/model_facts.h"

static const qn_opt opts[] = {
    QN_OPT_FLAG("", "tensors", "list the tensors"),
    QN_OPT_FLAG("", "metadata", "list the metadata"),
    QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {"quern info model.gguf", "quern info model/ --tensors",
                                       "quern info model.gguf --json | jq .parameters", NULL};

enum { SHOWN_ITEMS = 8 };           /* of an array of the metadata */

/* ---- for people ------------------------------------------------------------------------------------------------- */

/* "98.9 MB"; decimal units, as disks and networks count. */
static const char *size_text(uint64_t bytes, char out[16]) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double v = (double)bytes;
    size_t u = 0;
    for (; v >= 999.95 && u + 1 < QN_LEN(units); u++)
        v /= 1000;
    snprintf(out, 16, u ? "%.1f %s" : "%.0f %s", v, units[u]);
    return out;
}

static int label(qn_cli *c, const char *name) { return qn_out_printf(c, "%-16s", name); }

static int put_str(qn_cli *c, const char *name, qn_str s) {
    if (s.n == 0)
        return 0;
    QN_TRY(label(c, name));
    QN_TRY(qn_out_clean(c, s));
    return qn_out_puts(c, "\n");
}

static int put_config(qn_cli *c, const qn_config *k) {
    static const char *const scalings[] = {"", ", linear scaling", ", llama3 scaling", ", YaRN scaling"};
    QN_TRY(qn_out_printf(c, "%-16s%lld\n", "layers", (long long)k->layers));
    QN_TRY(qn_out_printf(c, "%-16s%lld, feed-forward %lld\n", "width", (long long)k->D, (long long)k->F));
    QN_TRY(qn_out_printf(c, "%-16s%lld query, %lld key and value, %lld wide\n", "heads", (long long)k->heads,
                         (long long)k->kv_heads, (long long)k->Dh));
    QN_TRY(qn_out_printf(c, "%-16s%lld%s\n", "vocabulary", (long long)k->V, k->tied ? ", head tied to it" : ""));
    QN_TRY(qn_out_printf(c, "%-16s%lld tokens", "context", (long long)k->context));
    if (k->rope.base > 0)
        QN_TRY(qn_out_printf(c, ", RoPE base %.10g%s", k->rope.base, scalings[k->rope.scaling]));
    else
        QN_TRY(qn_out_puts(c, ", learned positions"));
    if (k->window > 0)
        QN_TRY(qn_out_printf(c, ", sliding window %lld", (long long)k->window));
    return qn_out_puts(c, "\n");
}

static int put_weights(qn_cli *c, const qn_model_facts *f) {
    char size[16], kv[16], q8_0[16];
    if (f->tensors == 0)
        return qn_source_meta(f->source) ? qn_out_printf(c, "%-16snone here\n", "weights") : 0;
    QN_TRY(qn_out_printf(c, "%-16s%.1f M\n", "parameters", (double)f->numbers / 1e6));
    QN_TRY(qn_out_printf(c, "%-16s%s, %lld tensors:", "weights", size_text(f->file_bytes, size),
                         (long long)f->tensors));
    for (size_t i = 0; i < f->types; i++)
        QN_TRY(qn_out_printf(c, "%s %s %.1f %%%s", i ? "," : "", f->type[i].type,
                             f->numbers ? 100.0 * (double)f->type[i].numbers / (double)f->numbers : 0,
                             f->type[i].supported ? "" : " (not supported)"));
    QN_TRY(qn_out_puts(c, "\n"));
    if (!f->arch)
        return 0;
    if (f->encoder)
        return qn_out_printf(c, "%-16s%s of weights\n", "memory", size_text(f->packed_bytes, size));
    return qn_out_printf(c, "%-16s%s of weights + %s of KV per 1000 tokens (%s; q8_0: %s)\n", "memory",
                         size_text(f->packed_bytes, size), size_text(1000 * f->kv_bytes, kv),
                         qn_dtype_get(f->kv)->name, size_text(1000 * f->kv_q8_0_bytes, q8_0));
}

static int put_token(qn_cli *c, const char *name, const qn_tok *tok, int64_t id) {
    qn_buf quoted = {0};
    int rc = id < 0 || id >= qn_tok_size(tok) ? 0 : qn_json_quote(&quoted, qn_tok_text(tok, (int32_t)id));
    if (rc >= 0)
        rc = id < 0 ? qn_out_printf(c, "%-16snone\n", name)
                    : qn_out_printf(c, "%-16s%lld %s, %s\n", name, (long long)id,
                                    quoted.n ? quoted.s : "(no such token)",
                                    qn_tok_adds(tok, (int32_t)id) ? "added to a text" : "not added");
    qn_buf_drop(&quoted);
    return rc;
}

/* "[CLS] … [SEP]" */
static int put_around(qn_cli *c, const qn_tok *tok) {
    size_t before, behind;
    const int32_t *prefix = qn_tok_prefix(tok, &before), *suffix = qn_tok_suffix(tok, &behind);
    QN_TRY(label(c, "around a text"));
    for (size_t i = 0; i < before; i++) {
        QN_TRY(qn_out_clean(c, qn_tok_text(tok, prefix[i])));
        QN_TRY(qn_out_puts(c, " "));
    }
    QN_TRY(qn_out_puts(c, "…"));
    for (size_t i = 0; i < behind; i++) {
        QN_TRY(qn_out_puts(c, " "));
        QN_TRY(qn_out_clean(c, qn_tok_text(tok, suffix[i])));
    }
    return qn_out_puts(c, "\n");
}

static int put_embedding(qn_cli *c, const qn_embedding *e) {
    return qn_out_printf(c, "%-16s%s pooling, %s, texts up to %lld tokens%s\n", "vectors", qn_pooling_name(e->pooling),
                         e->normalize ? "length 1" : "not normalized", (long long)e->max_tokens,
                         e->said ? "" : " (nothing is said of it)");
}

static int put_tokenizer(qn_cli *c, const qn_model_facts *f) {
    if (!f->tok) {
        QN_TRY(label(c, "tokenizer"));
        return qn_out_printf(c, "%s\n", f->tok_problem);
    }
    const bool wordpiece = qn_tok_model_of(f->tok) == QN_TOK_WORDPIECE;
    QN_TRY(qn_out_printf(c, "%-16s%s, %d tokens\n", "tokenizer", wordpiece ? "WordPiece" : "BPE", qn_tok_size(f->tok)));
    if (wordpiece)
        return put_around(c, f->tok);
    QN_TRY(put_token(c, "BOS", f->tok, qn_tok_bos(f->tok)));
    if (!f->arch || f->config.n_eos == 0)
        return put_token(c, "EOS", f->tok, qn_tok_eos(f->tok));
    for (int64_t i = 0; i < f->config.n_eos; i++)
        QN_TRY(put_token(c, "EOS", f->tok, f->config.eos[i]));
    return 0;
}

typedef struct { const char *name; double v; } recommendation;

/* What the authors recommend; how many of the five. */
static size_t recommendations(const qn_sampling_defaults *d, recommendation out[5]) {
    const recommendation all[] = {{"temperature", d->temperature}, {"top_p", d->top_p}, {"top_k", d->top_k},
                                  {"min_p", d->min_p}, {"repetition_penalty", d->repetition_penalty}};
    size_t n = 0;
    for (size_t i = 0; i < QN_LEN(all); i++)
        if (all[i].v == all[i].v)                   /* NaN: not said */
            out[n++] = all[i];
    return n;
}

static int put_sampling(qn_cli *c, const qn_model_facts *f) {
    recommendation r[5];
    const size_t n = recommendations(&f->sampling, r);
    if (n > 0)
        QN_TRY(label(c, "sampling"));
    for (size_t i = 0; i < n; i++)
        QN_TRY(qn_out_printf(c, "%s%s %g%s", i ? ", " : "", r[i].name, r[i].v, i + 1 == n ? "\n" : ""));
    return 0;
}

static int put_tensors(qn_cli *c, const qn_tensor_file *tensors) {
    for (size_t i = 0; tensors && i < qn_tensor_count(tensors); i++) {
        const qn_tensor_info *t = qn_tensor_at(tensors, i);
        QN_TRY(qn_out_printf(c, "%s%-6s", i ? "" : "\n", t->type));
        for (int d = 0; d < t->rank; d++)
            QN_TRY(qn_out_printf(c, "%s%lld", d ? " × " : " ", (long long)t->dims[d]));
        QN_TRY(qn_out_puts(c, "  "));
        QN_TRY(qn_out_clean(c, t->name));
        QN_TRY(qn_out_puts(c, "\n"));
    }
    return 0;
}

static int put_metadata(qn_cli *c, const qn_meta *m) {
    qn_buf line = {0};
    int rc = 0;
    for (size_t i = 0; m && i < qn_meta_count(m) && rc >= 0; i++) {
        const qn_meta_value *v = qn_meta_at(m, i);
        qn_jw w;
        qn_buf_clear(&line);
        QN_TRY_OUT(qn_buf_put(&line, v->key.s, v->key.n));
        QN_TRY_OUT(qn_buf_puts(&line, " = "));
        qn_jw_init(&w, &line, 0);
        qn_meta_write(v, SHOWN_ITEMS, &w);
        QN_TRY_OUT(qn_jw_end(&w));
        QN_TRY_OUT(qn_out_puts(c, i ? "" : "\n"));
        QN_TRY_OUT(qn_out_clean(c, qn_buf_view(&line)));
        rc = qn_out_puts(c, "\n");
    }
out:
    qn_buf_drop(&line);
    return rc;
}

static int put_text(qn_cli *c, const qn_model_facts *f) {
    QN_TRY(put_str(c, "name", f->name));
    QN_TRY(put_str(c, "format", qn_str_of(f->format)));
    QN_TRY(put_str(c, "architecture", f->architecture));
    if (f->problem)
        QN_TRY(qn_out_printf(c, "%-16s%s\n", "cannot be run", f->problem));
    if (f->arch)
        QN_TRY(put_config(c, &f->config));
    QN_TRY(put_weights(c, f));
    QN_TRY(put_tokenizer(c, f));
    if (f->embeds)
        QN_TRY(put_embedding(c, &f->embedding));
    if (f->encoder)
        QN_TRY(qn_out_printf(c, "%-16sreads texts whole and writes none: `quern embed`\n", "use"));
    else
        QN_TRY(qn_out_printf(c, "%-16s%s\n", "chat template", f->chat_template.s ? "yes" : "no"));
    QN_TRY(put_sampling(c, f));
    if (qn_cli_flag(c, "metadata"))
        QN_TRY(put_metadata(c, qn_source_meta(f->source)));
    return qn_cli_flag(c, "tensors") ? put_tensors(c, qn_source_tensors(f->source)) : 0;
}

/* ---- for programs ------------------------------------------------------------------------------------------------ */

static void key_i64(qn_jw *w, const char *key, int64_t v) {
    qn_jw_key(w, key);
    qn_jw_i64(w, v);
}

static void json_config(qn_jw *w, const qn_config *k) {
    const struct { const char *key; int64_t v; } rows[] = {
        {"vocabulary", k->V}, {"width", k->D}, {"feed_forward", k->F}, {"layers", k->layers}, {"heads", k->heads},
        {"kv_heads", k->kv_heads}, {"head_width", k->Dh}, {"context", k->context}, {"window", k->window},
    };
    qn_jw_key(w, "config");
    qn_jw_open(w, '{');
    for (size_t i = 0; i < QN_LEN(rows); i++)
        key_i64(w, rows[i].key, rows[i].v);
    qn_jw_key(w, "rope_base");
    if (k->rope.base > 0)
        qn_jw_f64(w, k->rope.base);
    else
        qn_jw_null(w);                              /* positions are learned */
    qn_jw_key(w, "tied");
    qn_jw_bool(w, k->tied);
    qn_jw_close(w);
}

static void json_types(qn_jw *w, const qn_model_facts *f) {
    qn_jw_key(w, "types");
    qn_jw_open(w, '[');
    for (size_t i = 0; i < f->types; i++) {
        const qn_type_share *t = &f->type[i];
        qn_jw_open(w, '{');
        qn_field_text_or_null(w, "type", qn_str_of(t->type));
        key_i64(w, "tensors", t->tensors);
        key_i64(w, "numbers", t->numbers);
        key_i64(w, "bytes", (int64_t)t->bytes);
        qn_jw_key(w, "supported");
        qn_jw_bool(w, t->supported);
        qn_jw_close(w);
    }
    qn_jw_close(w);
}

static void json_token(qn_jw *w, const qn_tok *tok, int64_t id) {
    qn_jw_open(w, '{');
    key_i64(w, "id", id);
    qn_field_text_or_null(w, "text", qn_tok_text(tok, (int32_t)id));
    qn_jw_key(w, "added");
    qn_jw_bool(w, qn_tok_adds(tok, (int32_t)id));
    qn_jw_close(w);
}

static void json_tokenizer(qn_jw *w, const qn_model_facts *f) {
    const int32_t bos = f->tok ? qn_tok_bos(f->tok) : -1, eos = f->tok ? qn_tok_eos(f->tok) : -1;
    qn_jw_key(w, "tokenizer");
    qn_jw_open(w, '{');
    if (f->tok) {
        key_i64(w, "tokens", qn_tok_size(f->tok));
        qn_jw_key(w, "bos");
        if (bos >= 0)
            json_token(w, f->tok, bos);
        else
            qn_jw_null(w);
        qn_jw_key(w, "eos");
        qn_jw_open(w, '[');
        for (int64_t i = 0; f->arch && i < f->config.n_eos; i++)
            json_token(w, f->tok, f->config.eos[i]);
        if ((!f->arch || f->config.n_eos == 0) && eos >= 0)
            json_token(w, f->tok, eos);
        qn_jw_close(w);
    } else {
        qn_field_text_or_null(w, "problem", qn_str_of(f->tok_problem));
    }
    qn_jw_close(w);
}

static void json_embedding(qn_jw *w, const qn_model_facts *f) {
    qn_jw_key(w, "encoder");
    qn_jw_bool(w, f->encoder);
    if (!f->embeds)
        return;
    qn_jw_key(w, "embedding");
    qn_jw_open(w, '{');
    qn_field_str(w, "pooling", qn_pooling_name(f->embedding.pooling));
    qn_field_bool(w, "normalize", f->embedding.normalize);
    key_i64(w, "max_tokens", f->embedding.max_tokens);
    qn_jw_close(w);
}

static void json_sampling(qn_jw *w, const qn_model_facts *f) {
    recommendation r[5];
    const size_t n = recommendations(&f->sampling, r);
    qn_jw_key(w, "sampling");
    qn_jw_open(w, '{');
    for (size_t i = 0; i < n; i++) {
        qn_jw_key(w, r[i].name);
        qn_jw_f64(w, r[i].v);
    }
    qn_jw_close(w);
}

static void json_tensors(qn_jw *w, const qn_tensor_file *tensors) {
    qn_jw_key(w, "tensors");
    qn_jw_open(w, '[');
    for (size_t i = 0; tensors && i < qn_tensor_count(tensors); i++) {
        const qn_tensor_info *t = qn_tensor_at(tensors, i);
        qn_jw_open(w, '{');
        qn_field_text_or_null(w, "name", t->name);
        qn_field_text_or_null(w, "type", qn_str_of(t->type));
        qn_jw_key(w, "shape");
        qn_jw_open(w, '[');
        for (int d = 0; d < t->rank; d++)
            qn_jw_i64(w, t->dims[d]);
        qn_jw_close(w);
        key_i64(w, "bytes", (int64_t)t->bytes);
        qn_jw_close(w);
    }
    qn_jw_close(w);
}

static void json_metadata(qn_jw *w, const qn_meta *m) {
    qn_buf key = {0};
    qn_jw_key(w, "metadata");
    qn_jw_open(w, '{');
    for (size_t i = 0; m && i < qn_meta_count(m); i++) {
        const qn_meta_value *v = qn_meta_at(m, i);
        qn_buf_clear(&key);
        if (qn_buf_put(&key, v->key.s, v->key.n) < 0)
            break;
        qn_jw_key(w, key.s);
        qn_meta_write(v, SHOWN_ITEMS, w);
    }
    qn_jw_close(w);
    qn_buf_drop(&key);
}

static int put_json(qn_cli *c, const qn_model_facts *f) {
    qn_jw *w = qn_out_json(c, 2);
    qn_jw_open(w, '{');
    qn_field_text_or_null(w, "path", qn_str_of(qn_source_path(f->source)));
    qn_field_text_or_null(w, "format", qn_str_of(f->format));
    qn_field_text_or_null(w, "name", f->name);
    qn_field_text_or_null(w, "architecture", f->architecture);
    qn_jw_key(w, "supported");
    qn_jw_bool(w, !f->problem && f->tensors > 0);
    if (f->problem)
        qn_field_text_or_null(w, "problem", qn_str_of(f->problem));
    if (f->arch)
        json_config(w, &f->config);
    key_i64(w, "parameters", f->numbers);
    key_i64(w, "file_bytes", (int64_t)f->file_bytes);
    json_types(w, f);
    if (f->arch) {
        key_i64(w, "weight_bytes", (int64_t)f->packed_bytes);
        qn_field_text_or_null(w, "kv_dtype", qn_str_of(qn_dtype_get(f->kv)->name));
        key_i64(w, "kv_bytes_per_token", (int64_t)f->kv_bytes);
        key_i64(w, "kv_q8_0_bytes_per_token", (int64_t)f->kv_q8_0_bytes);
    }
    json_tokenizer(w, f);
    json_embedding(w, f);
    qn_jw_key(w, "chat_template");
    qn_jw_bool(w, f->chat_template.s != NULL);
    json_sampling(w, f);
    if (qn_cli_flag(c, "metadata"))
        json_metadata(w, qn_source_meta(f->source));
    if (qn_cli_flag(c, "tensors"))
        json_tensors(w, qn_source_tensors(f->source));
    qn_jw_close(w);
    return qn_out_json_end(c);
}

static int run(qn_cli *c) {
    qn_model_facts f = {0};
    int rc = qn_model_facts_get(&f, qn_cli_arg(c, 0), qn_cli_isa(c));
    if (rc >= 0)
        rc = qn_cli_json(c) ? put_json(c, &f) : put_text(c, &f);
    qn_model_facts_drop(&f);
    return rc;
}

const qn_cmd qn_cmd_info = {
    "info", "MODEL", "what a model is and what it will take", opts, examples, run,
    "Nothing is loaded. What quern cannot run is described as far as it is understood. Units are decimal."
};
