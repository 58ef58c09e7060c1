/* cli/verify_args.c — two models opened and set side by side. */
#include "cli/verify_args.h"

enum { CTX = 256, SEQUENCES = 16 };         /* sequences: for tasks only */

/* No longer than what is asked for, but for tasks, whose items are longer than a sequence. */
static int open_session(qn_verify_job *j, qn_opened *m) {
    const int64_t trained = m->model->cfg.context, ctx = j->o.ctx > 0 ? j->o.ctx : CTX;
    const bool tasks = j->o.n_tasks > 0;
    const qn_session_options o = {
        .context = QN_MIN(trained, tasks ? QN_MAX(ctx, 1024) : ctx), .sequences = tasks ? SEQUENCES : 1, .kv = j->kv,
        .cancel = &qn_cancel_flag, .adapter = (const qn_adapter *const *)m->adapter, .n_adapters = m->n_adapters,
    };
    if (ctx > trained && j->o.ctx > 0)
        return qn_fail(QN_ECONTEXT, "%s: sequences of %lld tokens; the model was made for %lld",
                       qn_source_path(m->source), (long long)ctx, (long long)trained);
    QN_TRY(qn_session_new(&m->session, m->model, m->kernels, m->pool, &o));
    for (int64_t i = 0; i < qn_session_sequences(m->session) && m->n_adapters; i++)
        QN_TRY(qn_session_adapt(m->session, i, m->scale));
    return 0;
}

static int open_side(qn_verify_job *j, const qn_model_word *w, qn_opened *m, qn_verify_side *s) {
    QN_TRY(qn_open_word(j->c, w, j->weights, m == &j->a ? NULL : &j->a, m));
    QN_TRY(open_session(j, m));
    *s = (qn_verify_side){.name = w->path, .session = m->session, .tok = m->tok};
    const int found = qn_source_chat_template(qn_opened_words(m), &s->chat_template);
    QN_TRY(found);
    if (found == 0)
        s->chat_template = (qn_str){0};
    return 0;
}

static int on_tokens(void *arg, int64_t done, int64_t total) {
    qn_verify_job *j = arg;
    return qn_progress_reach(&j->bar, done, total);
}

int qn_verify_job_run(qn_verify_job *j, const char *a, const char *b) {
    const qn_model_word alone = {.path = a};
    qn_verify_side x, y, bare;
    j->word[0].path = a;
    j->word[1].path = b;
    QN_TRY(open_side(j, &j->word[0], &j->a, &x));
    QN_TRY(open_side(j, &j->word[1], &j->b, &y));
    if (j->word[0].n_adapters > 0 && j->word[1].n_adapters == 0) {
        QN_TRY(open_side(j, &alone, &j->bare, &bare));
        j->o.bare = &bare;
    }
    if (j->detect)
        j->o.relation = qn_verify_detect(j->a.model, j->b.model);
    j->o.progress = on_tokens;
    j->o.arg = j;
    qn_progress_init(&j->bar, j->c, "setting side by side", 0, "tokens");
    const int rc = qn_verify_run(&x, &y, &j->o, &j->r);
    j->o.bare = NULL;
    qn_progress_drop(&j->bar);
    return rc;
}

static int put_model(qn_verify_job *j, const char *which, const char *path, const qn_opened *m) {
    qn_buf text = {0};
    int rc = qn_opened_describe(m, &text);
    if (rc >= 0)
        rc = qn_out_printf(j->c, "%-15s %s: ", which, path);
    if (rc >= 0)
        rc = qn_out_printf(j->c, "%s\n", text.s);
    qn_buf_drop(&text);
    return rc;
}

int qn_verify_job_put_text(qn_verify_job *j) {
    qn_buf text = {0};
    QN_TRY(put_model(j, "A", j->r.a, &j->a));
    QN_TRY(put_model(j, "B", j->r.b, &j->b));
    int rc = qn_verify_put_text(&j->r, &text);
    if (rc >= 0)
        rc = qn_out_put(j->c, text.s, text.n);
    qn_buf_drop(&text);
    return rc;
}

void qn_verify_job_drop(qn_verify_job *j) {
    qn_verify_drop(&j->r);
    qn_opened_drop(&j->bare);               /* it has A's weights, and B may */
    qn_opened_drop(&j->b);
    qn_opened_drop(&j->a);
}

int qn_verify_files(qn_cli *c, const char *a, const char *b, int weights, qn_verify_relation relation, qn_jw *w) {
    qn_verify_job j = {.c = c, .weights = weights, .kv = -1, .o = {.relation = relation, .seed = 1}};
    int rc = qn_verify_job_run(&j, a, b);
    if (rc >= 0 && w) {
        qn_jw_key(w, "verify");
        qn_jw_open(w, '{');
        qn_verify_json(&j.r, w);
        qn_jw_close(w);
    } else if (rc >= 0) {
        rc = qn_verify_job_put_text(&j);
    }
    if (rc >= 0)
        rc = qn_verify_verdict(&j.r);
    qn_verify_job_drop(&j);
    return rc;
}
