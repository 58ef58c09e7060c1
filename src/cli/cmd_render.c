/* cli/cmd_render.c — `quern render`: a conversation through a chat template, as the model would get it. */
#include "base/file.h"
#include "base/json_fields.h"
#include "cli/cli.h"
#include "model/prompter.h"

#define MESSAGES_MAX ((size_t)64 << 20)

static const qn_opt opts[] = {
    QN_OPT_FILE("f", "file", NULL, "the conversation, as JSON (- for standard input)"),
    QN_OPT_FLAG("", "no-generation-prompt", "do not open the answer at the end"),
    QN_OPT_STRING("", "bos", NULL, "S", "what bos_token is; without it the model's"),
    QN_OPT_STRING("", "eos", NULL, "S", "what eos_token is; without it the model's"),
    QN_OPT_STRING("", "date", NULL, "YYYY-MM-DD", "what the template sees as now"),
    QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern render model.gguf -f messages.json",
    "quern render template.jinja -f messages.json --bos '<s>' --eos '</s>' --date 2025-01-31",
    "echo '[{\"role\": \"user\", \"content\": \"hi <|im_end|>\"}]' | quern render model/ -f - --json",
    NULL
};

typedef struct {
    qn_source *source;          /* NULL: the template came out of a file of its own */
    qn_tok *tok;
    qn_prompter prompter;
    qn_chat_messages *messages;
    qn_ids ids;
} job;

static bool is_template(const char *path) {
    const qn_str p = qn_str_of(path);
    return qn_str_ends(p, ".jinja") || qn_str_ends(p, ".jinja2") || qn_str_ends(p, ".j2");
}

static int open_template(job *r, const char *path) {
    if (is_template(path))
        return qn_prompter_open_file(&r->prompter, path);
    QN_TRY(qn_source_open(&r->source, path));
    const int rc = qn_source_tokenizer(r->source, &r->tok);
    /* The template needs two words of it, and --bos and --eos give them. */
    if (rc == QN_EUNSUPPORTED || rc == QN_ENOTFOUND)
        qn_log(QN_LOG_WARN, "%s; bos_token and eos_token are undefined unless given", qn_error_message());
    else if (rc < 0)
        return rc;
    QN_TRY(qn_prompter_open(&r->prompter, r->source, NULL, r->tok));
    if (!r->prompter.own)
        qn_log(QN_LOG_INFO, "the model has no chat template; ChatML is used");
    return 0;
}

static int read_messages(job *r, const char *path) {
    qn_buf text = {0};
    if (!path)
        return qn_fail(QN_EUSAGE, "a conversation is missing: give -f MESSAGES.json (- for standard input)");
    int rc = qn_read_file(&text, path, MESSAGES_MAX);
    if (rc >= 0)
        rc = qn_chat_messages_parse(&r->messages, text.n ? text.s : "", text.n, path);
    qn_buf_drop(&text);
    return rc;
}

/* The prompt, which of its bytes the template wrote, and what the model would get. */
static int put_json(qn_cli *c, const job *r) {
    const qn_chat_output *out = &r->prompter.out;
    qn_jw *w = qn_out_json(c, 2);
    qn_jw_open(w, '{');
    qn_jw_key(w, "prompt");
    qn_jw_str(w, qn_buf_view(&out->text));
    qn_jw_key(w, "spans");
    qn_jw_open(w, '[');
    for (size_t i = 0; i < out->spans; i++) {
        qn_jw_open(w, '{');
        qn_jw_key(w, "begin");
        qn_jw_i64(w, (int64_t)out->span[i].begin);
        qn_jw_key(w, "end");
        qn_jw_i64(w, (int64_t)out->span[i].end);
        qn_jw_key(w, "trusted");
        qn_jw_bool(w, out->span[i].trusted);
        qn_jw_close(w);
    }
    qn_jw_close(w);
    if (r->tok)
        qn_field_i32s(w, "ids", r->ids.v, r->ids.n);
    qn_jw_close(w);
    return qn_out_json_end(c);
}

static int render(qn_cli *c, job *r) {
    qn_chat_input *in = &r->prompter.in;
    QN_TRY(open_template(r, qn_cli_arg(c, 0)));
    QN_TRY(read_messages(r, qn_cli_str(c, "file")));
    if (qn_cli_given(c, "bos"))
        in->bos_token = qn_str_of(qn_cli_str(c, "bos"));
    if (qn_cli_given(c, "eos"))
        in->eos_token = qn_str_of(qn_cli_str(c, "eos"));
    in->date = qn_cli_str(c, "date");
    QN_TRY(qn_prompter_render(&r->prompter, r->messages, !qn_cli_flag(c, "no-generation-prompt")));
    if (!qn_cli_json(c))
        return qn_out_put(c, r->prompter.out.text.s, r->prompter.out.text.n);
    if (r->tok)
        QN_TRY(qn_prompter_ids(&r->prompter, r->tok, &r->ids));
    return put_json(c, r);
}

static int run(qn_cli *c) {
    job r = {0};
    const int rc = render(c, &r);
    qn_prompter_drop(&r.prompter);
    qn_chat_messages_free(r.messages);
    qn_ids_drop(&r.ids);
    qn_tok_free(r.tok);
    qn_source_close(r.source);
    return rc;
}

const qn_cmd qn_cmd_render = {
    "render", "MODEL|TEMPLATE.jinja", "a conversation as the prompt that the model gets", opts, examples, run,
    "MESSAGES.json is an array of messages, {\"role\": …, \"content\": …}, or an object with \"messages\" and perhaps\n"
    "\"tools\"; its other members are variables of the template. The prompt is printed and nothing else, not even a\n"
    "newline. --json adds which bytes the template wrote: only there special tokens count. With a TEMPLATE, bos_token\n"
    "and eos_token are undefined unless --bos and --eos are given."
};
