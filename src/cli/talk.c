/* cli/talk.c — the turns of a conversation and the answers to them. */
#include "cli/talk.h"

#include <string.h>

#include "base/file.h"

int qn_talk_open(qn_talk *t, qn_cli *c, const char *path) {
    const qn_sampler_options base = qn_sampling_lively();
    t->m.behind = true;
    QN_TRY(qn_open_model(c, path, &t->m));
    qn_opened_pack_beside(&t->m);
    QN_TRY(qn_prompter_open(&t->prompter, qn_opened_words(&t->m), NULL, t->m.tok));
    if (!t->prompter.own)
        qn_log(QN_LOG_INFO, "the model has no chat template; ChatML is used");
    QN_TRY(qn_sampling_get(c, &base, t->m.source, t->prompter.own ? NULL : "<|im_end|>", &t->sampling));
    QN_TRY(qn_sampling_grammar(c, &t->sampling));
    t->sampling.o.max_new = qn_cli_int(c, "tokens");
    t->sampling.o.special |= t->prompter.spelled;
    t->seed = t->sampling.o.sampler.seed;
    QN_TRY(qn_open_session(c, &t->m, 1));
    QN_TRY(qn_sampling_bind(c, &t->m, &t->sampling));
    return qn_draft_open(c, &t->m, &t->draft, &t->sampling.o);
}

/* ---- turns ---- */

static void drop_turn(qn_turn *turn) {
    qn_buf_drop(&turn->text);
    qn_buf_drop(&turn->thought);
}

static void cut(qn_talk *t, size_t turns) {
    while (t->turns > turns)
        drop_turn(&t->turn[--t->turns]);
}

static int add(qn_talk *t, const char *role, qn_str text) {
    QN_TRY(QN_GROW(QN_MEM_CLI, t->turn, t->cap, t->turns + 1));
    t->turn[t->turns++] = (qn_turn){.role = role};
    const int rc = qn_buf_put(&t->turn[t->turns - 1].text, text.s, text.n);
    if (rc < 0)
        cut(t, t->turns - 1);
    return rc;
}

static bool has_system(const qn_talk *t) { return t->turns > 0 && strcmp(t->turn[0].role, "system") == 0; }

static bool ends_with(const qn_talk *t, const char *role) {
    return t->turns > 0 && strcmp(t->turn[t->turns - 1].role, role) == 0;
}

void qn_talk_drop(qn_talk *t) {
    cut(t, 0);
    qn_free(t->turn);
    qn_ids_drop(&t->held);
    qn_ids_drop(&t->ids);
    qn_sampling_drop(&t->sampling);
    qn_prompter_drop(&t->prompter);
    qn_draft_drop(&t->draft);
    qn_opened_drop(&t->m);
    *t = (qn_talk){0};
}

void qn_talk_reset(qn_talk *t) { cut(t, has_system(t) ? 1 : 0); }

int qn_talk_system(qn_talk *t, qn_str text) {
    const size_t at = qn_utf8_check(text.s, text.n);
    if (at != QN_UTF8_OK)
        return qn_fail(QN_EUTF8, "system message: byte %zu is not UTF-8", at);
    if (!has_system(t)) {
        if (text.n == 0)
            return 0;
        QN_TRY(add(t, "system", text));
        const qn_turn system = t->turn[t->turns - 1];
        memmove(t->turn + 1, t->turn, (t->turns - 1) * sizeof *t->turn);
        t->turn[0] = system;
        return 0;
    }
    qn_buf_clear(&t->turn[0].text);
    if (text.n > 0)
        return qn_buf_put(&t->turn[0].text, text.s, text.n);
    qn_buf_drop(&t->turn[0].text);
    memmove(t->turn, t->turn + 1, --t->turns * sizeof *t->turn);
    return 0;
}

/* ---- answers ---- */

static int make_ids(qn_talk *t) {
    qn_chat_messages *messages;
    int rc;
    QN_TRY(qn_chat_messages_new(&messages));
    for (size_t i = 0; i < t->turns; i++)
        QN_TRY_OUT(qn_chat_messages_add(messages, t->turn[i].role, qn_buf_view(&t->turn[i].text)));
    QN_TRY_OUT(qn_prompter_render(&t->prompter, messages, true));
    qn_ids_clear(&t->ids);
    rc = qn_prompter_ids(&t->prompter, t->m.tok, &t->ids);
out:
    qn_chat_messages_free(messages);
    return rc;
}

typedef struct { qn_turn *turn; qn_answer *answer; qn_talk_fn *fn; void *arg; } listener;

static int on_part(void *to, const qn_answer_event *e) {
    const listener *l = to;
    const bool thought = e->kind == QN_ANSWER_REASONING;
    QN_TRY(qn_buf_put(thought ? &l->turn->thought : &l->turn->text, e->text.s, e->text.n));
    return l->fn(l->arg, thought, e->text);
}

static int on_token(void *arg, const qn_token_event *e) {
    const listener *l = arg;
    return e->text.n > 0 ? qn_answer_feed(l->answer, e->text) : 0;
}

static void count(qn_talk *t) {
    const qn_generate_result *r = &t->last;
    t->prefill_seconds += r->prefill_seconds;
    t->decode_seconds += r->decode_seconds;
    t->prefilled += r->prompt_tokens - r->cached_tokens;
    t->decoded += QN_MAX(r->new_tokens - 1, 0);
}

/* The answer to the turns as they are; on failure there is none. */
static int answer(qn_talk *t, qn_talk_fn *fn, void *arg) {
    QN_TRY(make_ids(t));
    QN_TRY(add(t, "assistant", (qn_str){"", 0}));
    listener l = {&t->turn[t->turns - 1], NULL, fn, arg};
    qn_answer_options o = {.form = t->prompter.form, .take = on_part, .to = &l};        /* no functions are offered */
    qn_answer_expect(&o, qn_buf_view(&t->prompter.out.text), t->sampling.o.sampler.guide != NULL);
    t->sampling.o.sampler.seed = t->seed + (uint64_t)t->answers++;
    int rc = qn_answer_new(&l.answer, &o);
    if (rc >= 0)
        rc = qn_generate(t->m.session, t->m.tok, 0, &t->held, &t->ids, &t->sampling.o, on_token, &l, &t->last);
    if (rc >= 0)
        rc = qn_answer_end(l.answer);
    qn_answer_free(l.answer);
    if (rc < 0)
        cut(t, t->turns - 1);
    else
        count(t);
    return rc;
}

int qn_talk_say(qn_talk *t, qn_str text, qn_talk_fn *fn, void *arg) {
    const size_t before = t->turns;
    QN_TRY(add(t, "user", text));
    const int rc = answer(t, fn, arg);
    if (rc < 0)
        cut(t, before);
    return rc;
}

int qn_talk_again(qn_talk *t, qn_talk_fn *fn, void *arg) {
    if (!ends_with(t, "assistant"))
        return qn_fail(QN_EINVAL, "there is no answer yet to give again");
    qn_turn old = t->turn[--t->turns];                  /* kept until there is a new one */
    const int rc = answer(t, fn, arg);
    if (rc < 0) {
        t->turn[t->turns++] = old;
        return rc;
    }
    drop_turn(&old);
    return 0;
}

qn_str qn_talk_answer(const qn_talk *t) {
    return ends_with(t, "assistant") ? qn_buf_view(&t->turn[t->turns - 1].text) : (qn_str){"", 0};
}

qn_str qn_talk_thought(const qn_talk *t) {
    return ends_with(t, "assistant") ? qn_buf_view(&t->turn[t->turns - 1].thought) : (qn_str){"", 0};
}

/* ---- on disk ---- */

static int write_file(const char *path, const qn_buf *text) {
    qn_out_file f = {0};
    int rc;
    QN_TRY(qn_out_open(&f, path));
    QN_TRY_OUT(qn_out_write(&f, text->s, text->n));
    rc = qn_out_commit(&f);
out:
    qn_out_drop(&f);
    return rc;
}

int qn_talk_save(const qn_talk *t, const char *path) {
    qn_buf text = {0};
    qn_jw w;
    qn_jw_init(&w, &text, 2);
    qn_jw_open(&w, '[');
    for (size_t i = 0; i < t->turns; i++) {
        qn_jw_open(&w, '{');
        qn_jw_key(&w, "role");
        qn_jw_str(&w, qn_str_of(t->turn[i].role));
        qn_jw_key(&w, "content");
        qn_jw_str(&w, qn_buf_view(&t->turn[i].text));
        if (t->turn[i].thought.n) {
            qn_jw_key(&w, "reasoning_content");
            qn_jw_str(&w, qn_buf_view(&t->turn[i].thought));
        }
        qn_jw_close(&w);
    }
    qn_jw_close(&w);
    int rc = qn_jw_end(&w);
    if (rc >= 0)
        rc = qn_buf_putc(&text, '\n');
    if (rc >= 0)
        rc = write_file(path, &text);
    qn_buf_drop(&text);
    return rc;
}
