/* cli/cmd_convert.c — `quern convert`: a model or an adapter as GGUF file or as Hugging Face directory, either way. */
#include <stdio.h>

#include "base/json_fields.h"
#include "cli/verify_args.h"
#include "model/adapter_file.h"
#include "model/convert.h"

#define DTYPE_CHOICES "as-is|f32|f16|bf16|q8_0|q4_0|q4_1"

static const qn_opt opts[] = {
    QN_OPT_ENUM("", "dtype", "as-is", DTYPE_CHOICES, "store the matrices like this; q… only in GGUF"),
    QN_OPT_FILE("", "model", NULL, "IN is an adapter: the model that it belongs to, in any form"),
    QN_OPT_FLAG("", "force", "replace OUT: the file, or the model in the directory"),
    QN_OPT_VERIFY,
    QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern convert model.gguf model/",
    "quern convert model/ model.gguf",
    "quern convert model/ model-q8.gguf --dtype q8_0 --verify",
    "quern convert model.gguf half/ --dtype bf16",
    "quern convert adapter/ adapter.gguf --model model.gguf",
    NULL
};

static const char notes[] =
    "OUT is a GGUF file if its name ends in .gguf, else a directory. F32, F16 and BF16 are lossless either way.\n"
    "Without --dtype a matrix keeps its dtype; a quantized one becomes F32 in a directory, exactly. Vectors are never\n"
    "rounded. A GGUF carries the whole tokenizer.json and, where llama.cpp has a name for its pipeline, the tables\n"
    "that llama.cpp reads. An adapter, PEFT's directory or a GGUF, becomes the other form; its model is asked for its\n"
    "shapes and its tokenizer, which must be that beside the adapter, if there is one; it may be left out where the\n"
    "adapter names one that is here.\n"
    "JSON: file, format, architecture, dtype, tensors, parameters, bytes, matrices, rounded (so many of them),\n"
    "seconds; with --verify also verify; of an adapter file, format, architecture, dora, pairs, ranks, parameters,\n"
    "seconds.\n"
    "--verify runs IN and OUT side by side: where no number changed, every logit must have the same bits (both are\n"
    "loaded as F32 where OUT stores numbers otherwise); else the limits of `quern verify` hold. Exit code 13: beyond\n"
    "them.";

static int on_bytes(void *arg, int64_t done, int64_t total) {
    return qn_progress_reach(arg, done >> 20, total >> 20);
}

/* Rounded: by what OUT holds. Else the numbers are the same; stored otherwise, they are compared as numbers. */
static int verify(qn_cli *c, const qn_convert_result *r, qn_jw *w) {
    const char *in = qn_cli_arg(c, 0), *out = qn_cli_arg(c, 1);
    const bool blocks = qn_dtype_get(r->dtype)->block > 1;
    if (r->rounded > 0)
        return qn_verify_files(c, in, out, QN_WEIGHTS_AS_IS, blocks ? QN_VERIFY_QUANTIZE : QN_VERIFY_CONVERT, w);
    return qn_verify_files(c, in, out, r->recast > 0 ? QN_F32 : QN_WEIGHTS_AS_IS, QN_VERIFY_EXACT, w);
}

static int put_json(qn_cli *c, const qn_convert_result *r, double seconds) {
    qn_jw *w = qn_out_json(c, 2);
    int rc = 0;
    qn_jw_open(w, '{');
    qn_field_str(w, "file", qn_cli_arg(c, 1));
    qn_field_str(w, "format", r->is_gguf ? "gguf" : "directory");
    qn_field_str(w, "architecture", r->arch);
    qn_field_str(w, "dtype", qn_dtype_get(r->dtype)->name);
    qn_field_i64(w, "tensors", r->tensors);
    qn_field_i64(w, "parameters", r->numbers);
    qn_field_i64(w, "bytes", (int64_t)r->bytes);
    qn_field_i64(w, "matrices", r->matrices);
    qn_field_i64(w, "rounded", r->rounded);
    qn_field_f64(w, "seconds", seconds);
    if (qn_cli_flag(c, "verify"))
        rc = verify(c, r, w);
    if (rc < 0 && rc != QN_EDIFFER)
        return rc;
    qn_jw_close(w);
    const int ended = qn_out_json_end(c);
    return rc < 0 ? rc : ended;
}

static int put_text(qn_cli *c, const qn_convert_result *r, double seconds) {
    QN_TRY(qn_out_printf(c, "%s: %s, %.1f M parameters in %lld tensors, %s, %.1f MB, %.1f s\n", qn_cli_arg(c, 1),
                         r->arch, (double)r->numbers / 1e6, (long long)r->tensors, qn_dtype_get(r->dtype)->name,
                         (double)r->bytes / 1e6, seconds));
    if (r->rounded == 0)
        QN_TRY(qn_out_puts(c, "every number is what it was\n"));
    else
        QN_TRY(qn_out_printf(c, "%lld of %lld matrices were rounded\n", (long long)r->rounded, (long long)r->matrices));
    return qn_cli_flag(c, "verify") ? verify(c, r, NULL) : 0;
}

/* ---- adapters ---- */

static int put_adapter(qn_cli *c, const qn_adapter_facts *f, double seconds) {
    char ranks[64];
    snprintf(ranks, sizeof ranks, f->least_rank == f->most_rank ? "rank %lld" : "ranks %lld to %lld",
             (long long)f->least_rank, (long long)f->most_rank);
    if (!qn_cli_json(c))
        return qn_out_printf(c, "%s: %s adapter for %s, %zu pairs of %s, %.1f k parameters, %.1f s\n", qn_cli_arg(c, 1),
                             f->dora ? "DoRA" : "LoRA", f->arch, f->pairs, ranks, (double)f->numbers / 1e3, seconds);
    qn_jw *w = qn_out_json(c, 2);
    qn_jw_open(w, '{');
    qn_field_str(w, "file", qn_cli_arg(c, 1));
    qn_field_str(w, "format", f->is_gguf ? "gguf" : "directory");
    qn_field_str(w, "architecture", f->arch);
    qn_jw_key(w, "dora");
    qn_jw_bool(w, f->dora);
    qn_field_i64(w, "pairs", (int64_t)f->pairs);
    qn_jw_key(w, "ranks");
    qn_jw_open(w, '[');
    qn_jw_i64(w, f->least_rank);
    qn_jw_i64(w, f->most_rank);
    qn_jw_close(w);
    qn_field_i64(w, "parameters", f->numbers);
    qn_field_f64(w, "seconds", seconds);
    qn_jw_close(w);
    return qn_out_json_end(c);
}

static int convert_adapter(qn_cli *c, double start) {
    qn_adapter_facts facts;
    if (qn_cli_enum(c, "dtype") != 0)
        return qn_fail(QN_EUSAGE, "--dtype: an adapter is written in f32");
    if (qn_cli_flag(c, "verify"))
        return qn_fail(QN_EUSAGE, "--verify sets models side by side; this is an adapter");
    QN_TRY(qn_adapter_convert(qn_cli_arg(c, 0), qn_cli_arg(c, 1), qn_cli_str(c, "model"), qn_cli_flag(c, "force"),
                              &facts));
    return put_adapter(c, &facts, qn_now() - start);
}

/* 1: an adapter, or what is called one; 0: a model, or nothing that is known. */
static int is_adapter(const qn_cli *c) {
    return qn_cli_given(c, "model") ? 1 : qn_adapter_form_of(qn_cli_arg(c, 0), NULL);
}

static int run(qn_cli *c) {
    const double start = qn_now();
    const int adapter = is_adapter(c);
    QN_TRY(adapter);
    if (adapter)
        return convert_adapter(c, start);
    const char *name = qn_cli_str(c, "dtype");
    qn_convert_result r;
    qn_progress bar;
    qn_progress_init(&bar, c, "converting", 0, "MB");
    const qn_convert_options o = {
        .dtype = qn_cli_enum(c, "dtype") == 0 ? QN_DTYPE_KEEP : qn_dtype_from_name(qn_str_of(name)),
        .force = qn_cli_flag(c, "force"), .progress = on_bytes, .arg = &bar,
    };
    const int rc = qn_convert(qn_cli_arg(c, 0), qn_cli_arg(c, 1), &o, &r);
    qn_progress_drop(&bar);
    if (rc < 0)
        return rc;
    return qn_cli_json(c) ? put_json(c, &r, qn_now() - start) : put_text(c, &r, qn_now() - start);
}

const qn_cmd qn_cmd_convert = {
    "convert", "IN OUT", "a model or an adapter as GGUF file or Hugging Face directory, either way", opts,
    examples, run, notes
};
