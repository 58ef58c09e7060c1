/* chat/chat_template.c — the front door: compiles a template once, renders it for conversations. */
#include "chat/chat_messages.h"
#include "chat/jinja_run.h"

#include <string.h>

#define MAX_TEMPLATE ((size_t)4 << 20)

struct qn_chat_template {
    qn_jprogram p;
};

/* Tools and calls as those models write them that ChatML comes from. */
qn_str qn_chat_template_default(void) {
    return QN_STR(
        "{% if tools %}{{ '<|im_start|>system\\n' }}"
        "{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] + '\\n\\n' }}{% endif %}"
        "{{ '# Tools\\n\\nA function is called by a JSON object with its name and arguments between <tool_call> and "
        "</tool_call>. These functions are there:\\n<tools>' }}"
        "{% for tool in tools %}{{ '\\n' + (tool | tojson) }}{% endfor %}"
        "{{ '\\n</tools><|im_end|>\\n' }}{% endif %}"
        "{% for message in messages %}{% if not (tools and loop.first and message['role'] == 'system') %}"
        "{{ '<|im_start|>' + message['role'] + '\\n' + (message['content'] or '') }}"
        "{% for call in message['tool_calls'] or [] %}{% set f = call['function'] or call %}"
        "{{ ('\\n' if message['content'] or not loop.first else '') + '<tool_call>\\n{\"name\": \"' + f['name'] + "
        "'\", \"arguments\": ' + (f['arguments'] if f['arguments'] is string else f['arguments'] | tojson) + "
        "'}\\n</tool_call>' }}{% endfor %}"
        "{{ '<|im_end|>' + '\\n' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}");
}

/* The text as Jinja reads it: every line end is \n, and one at the very end is dropped. */
static int normalize(qn_jprogram *p, const char *text, size_t n) {
    char *copy;
    size_t out = 0;
    QN_TRY(QN_JNEW(&p->arena, copy, n + 1));
    for (size_t i = 0; i < n; i++) {
        copy[out++] = text[i] == '\r' ? '\n' : text[i];
        i += text[i] == '\r' && i + 1 < n && text[i + 1] == '\n';
    }
    out -= out && copy[out - 1] == '\n';
    p->text = (qn_str){copy, out};
    return 0;
}

int qn_chat_template_compile(qn_chat_template **out, const char *text, size_t n, const char *name) {
    int rc;
    *out = NULL;
    size_t bad = qn_utf8_check(text, n);
    if (bad != QN_UTF8_OK)
        return qn_fail(QN_EUTF8, "%s: byte %zu of the chat template is not UTF-8", name, bad);
    if (n > MAX_TEMPLATE)
        return qn_fail(QN_ELIMIT, "%s: a chat template of %zu bytes; at most %zu are taken", name, n, MAX_TEMPLATE);
    qn_chat_template *t = qn_zalloc(QN_MEM_CHAT, 1, sizeof *t);
    if (!t)
        return QN_ENOMEM;
    qn_jarena_init(&t->p.arena, ((size_t)8 << 20) + 400 * n);
    t->p.label = qn_str_dup(QN_MEM_CHAT, qn_str_of(name));
    rc = t->p.label ? 0 : QN_ENOMEM;
    QN_TRY_OUT(rc);
    QN_TRY_OUT(normalize(&t->p, text, n));
    QN_TRY_OUT(qn_jparse(&t->p));
    *out = t;
    return 0;
out:
    qn_chat_template_free(t);
    return rc;
}

void qn_chat_template_free(qn_chat_template *t) {
    if (!t)
        return;
    qn_jprogram_drop(&t->p);
    qn_free(t);
}

/* ---- rendering ----------------------------------------------------------------------------------------------- */

static void put_var(qn_jrun *r, const char *name, qn_jv v) {
    int64_t id = qn_jprogram_name(r->p, name);
    if (id >= 0)
        r->root[id] = v;
}

static int put_token(qn_jrun *r, const char *name, qn_str token) {
    qn_jv v;
    if (!token.s)
        return 0;
    if (qn_utf8_check(token.s, token.n) != QN_UTF8_OK)
        return qn_fail(QN_EUTF8, "%s is not valid UTF-8", name);
    QN_TRY(qn_jv_str(&r->arena, (qn_jstr){token.s, token.n, NULL, false}, &v));
    put_var(r, name, v);
    return 0;
}

/* The conversation, or its beginning. */
static int put_messages(qn_jrun *r, const qn_chat_input *in) {
    const qn_jlist *all = in->messages->messages.u.list;
    qn_jv part;
    if (!in->none && (in->first == 0 || in->first >= all->n)) {
        put_var(r, "messages", in->messages->messages);
        return 0;
    }
    QN_TRY(qn_jv_list(&r->arena, QN_JLIST, in->first, &part));
    for (size_t i = 0; i < in->first; i++)
        QN_TRY(qn_jlist_add(&r->arena, part.u.list, all->v[i]));
    part.data = true;
    put_var(r, "messages", part);
    return 0;
}

/* What the template can see: functions, then the conversation's own variables, then what transformers always passes. */
static int put_variables(qn_jrun *r, const qn_chat_input *in) {
    const qn_jbuiltin *f;
    const qn_jdict *extra = in->messages->extra.u.dict;
    QN_TRY(QN_JNEW(&r->arena, r->root, r->p->n_names + 1));
    memset(r->root, 0, (r->p->n_names + 1) * sizeof *r->root);
    for (size_t i = 0; (f = qn_jglobal_at(i)); i++)
        put_var(r, f->name, (qn_jv){.kind = QN_JFUNC, .u.func = f});
    put_var(r, "documents", qn_jv_none());
    for (size_t i = 0; i < extra->n; i++) {
        int64_t id;
        if (qn_strmap_get(&r->p->name_ids, qn_jstr_view(extra->e[i].key.u.s), &id))
            r->root[id] = extra->e[i].value;
    }
    QN_TRY(put_messages(r, in));
    put_var(r, "tools", in->messages->tools);
    put_var(r, "add_generation_prompt", qn_jv_bool(in->add_generation_prompt));
    QN_TRY(put_token(r, "bos_token", in->bos_token));
    QN_TRY(put_token(r, "eos_token", in->eos_token));
    QN_TRY(put_token(r, "unk_token", in->unk_token));
    return put_token(r, "pad_token", in->pad_token);
}

/* Runs of equal marks become spans. */
static int put_spans(qn_chat_output *out, const qn_jstr *s) {
    for (size_t begin = 0, end; begin < s->n; begin = end) {
        bool data = qn_jstr_mark(s, begin);
        for (end = begin + 1; end < s->n && qn_jstr_mark(s, end) == data;)
            end++;
        QN_TRY(QN_GROW(QN_MEM_CHAT, out->span, out->span_cap, out->spans + 1));
        out->span[out->spans++] = (qn_chat_span){begin, end, !data};
    }
    return 0;
}

static int render(qn_jrun *r, const qn_chat_input *in, qn_chat_output *out) {
    QN_TRY(put_variables(r, in));
    int flow = qn_jeval_block(r, &r->top, &r->p->root);
    QN_TRY(flow);
    qn_jstr text = qn_jsb_done(&r->prompt);
    QN_TRY(qn_buf_put(&out->text, text.s, text.n));
    return put_spans(out, &text);
}

static void clear(qn_chat_output *out) {
    qn_buf_clear(&out->text);
    out->spans = out->answers = 0;
}

int qn_chat_render(const qn_chat_template *t, const qn_chat_input *in, qn_chat_output *out) {
    const qn_chat_limits *l = &in->limits;
    qn_jrun r = {.p = &t->p, .result = out, .date = in->date};
    clear(out);
    if (in->date)
        QN_TRY(qn_jdate_check(in->date));       /* whether the template asks for it or not */
    qn_jarena_init(&r.arena, l->memory > 0 ? (size_t)l->memory : (size_t)48 << 20);
    qn_jsb_init(&r.prompt, &r.arena);
    r.prompt.limit = l->output > 0 ? (size_t)l->output : (size_t)16 << 20;
    r.out = &r.prompt;
    r.steps = l->steps > 0 ? l->steps : 50000000;
    r.depth = l->depth > 0 ? QN_MIN(l->depth, 4000) : 1000;
    int rc = render(&r, in, out);
    if ((rc == QN_ETEMPLATE || rc == QN_ELIMIT) && !r.placed) {
        int line, column;
        qn_jprogram_place(&t->p, r.pos, &line, &column);
        qn_fail_in(rc, "%s:%d:%d", t->p.label, line, column);
    }
    qn_jarena_drop(&r.arena);
    if (rc < 0)
        clear(out);
    return rc < 0 ? rc : 0;
}

void qn_chat_output_drop(qn_chat_output *out) {
    qn_buf_drop(&out->text);
    qn_free(out->span);
    qn_free(out->answer);
    *out = (qn_chat_output){0};
}
