/* cli/open_model.c — source, tokenizer, weights and session out of the options that commands share. */
#include "cli/open_model.h"

#include "base/file.h"
#include "base/json_fields.h"
#include "model/adapter_file.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* The tokenizer is built beside the weights: its tables are the other large part of a start. The caller's thread builds
 * them while the other workers pack, and then joins them. Where weights may be packed behind the first tokens, they
 * first see to the file's pages, then pack, and stop as soon as the tokenizer stands. */
typedef struct {
    const qn_source *source;
    const qn_model *model;
    qn_tok *tok;
    int rc;                         /* of the tokenizer */
    atomic_bool built;
    bool behind;
} start_job;

static void build_and_pack(void *arg, int worker) {
    start_job *j = arg;
    if (worker == 0) {
        j->rc = qn_source_tokenizer(j->source, &j->tok);
        atomic_store(&j->built, true);
    }
    while (j->behind && !atomic_load(&j->built) && qn_model_fetch_next(j->model))
        ;
    while (!(j->behind && atomic_load(&j->built)) && qn_model_pack_next(j->model))
        ;
}

int qn_cli_weights(const qn_cli *c) {
    const char *name = qn_cli_str(c, "weights");
    return qn_cli_enum(c, "weights") == 0 ? QN_WEIGHTS_AS_IS : qn_dtype_from_name(qn_str_of(name));
}

/* An id that the embedding does not have would only fail once a text happens to contain it. */
static int check_vocabulary(const qn_opened *m) {
    const int64_t ids = qn_tok_size(m->tok), rows = m->model->cfg.V;
    if (ids <= rows)
        return 0;
    return qn_fail(QN_EFORMAT, "%s: the tokenizer has ids up to %lld, the weights only %lld rows; tokenizer and "
                   "weights do not belong together", qn_source_path(m->source), (long long)ids - 1, (long long)rows);
}

int qn_adapter_word(const char *word, char **path, double *scale) {
    const char *colon = strrchr(word, ':');
    *scale = 1;
    const bool scaled = colon && colon > word && !qn_is_file(word) && !qn_is_dir(word) &&
                        qn_parse_f64(qn_str_of(colon + 1), scale);
    *path = qn_str_dup(QN_MEM_CLI, (qn_str){word, scaled ? (size_t)(colon - word) : strlen(word)});
    return *path ? 0 : QN_ENOMEM;
}

const qn_source *qn_opened_words(const qn_opened *m) { return m->words ? m->words : m->source; }

/* Two adapters with tokens of their own must mean the same by an id. */
static int check_words(const qn_opened *m, const qn_adapter *a, const qn_tok *tok) {
    const int64_t rows = QN_MAX(m->model->cfg.V, a->rows);
    if (qn_tok_size(tok) > rows)
        return qn_fail(QN_EFORMAT, "%s: its tokenizer has ids up to %lld, with its rows the model has %lld; adapter "
                       "and model do not belong together", a->name, (long long)qn_tok_size(tok) - 1, (long long)rows);
    for (int32_t id = 0; m->words && id < QN_MIN(qn_tok_size(tok), qn_tok_size(m->tok)); id++)
        if (!qn_str_eq(qn_tok_text(tok, id), qn_tok_text(m->tok, id)))
            return qn_fail(QN_EINVAL, "%s: token %d is \"%.*s\" to it and \"%.*s\" to the adapter before it; only one "
                           "of them can be loaded", a->name, (int)id, QN_STR_ARG(qn_tok_text(tok, id)),
                           QN_STR_ARG(qn_tok_text(m->tok, id)));
    return 0;
}

/* A tokenizer and its template in the place of the model's, or of those before; both are taken. The model becomes a
 * copy that borrows the weights: others may have these with the ends of answers that the file says. */
static int take_words(qn_opened *m, qn_source *words, qn_tok *tok) {
    qn_model *own = m->words ? m->model : qn_alloc(QN_MEM_CLI, sizeof *own);
    if (!own)
        return QN_ENOMEM;
    if (m->words)
        qn_tok_free(m->tok);
    else
        *own = *m->file.model;
    qn_source_close(m->words);
    m->words = words;
    m->tok = tok;
    m->model = own;
    return 0;
}

/* Its tokenizer, template and ends of answers in the place of the model's. */
static int bring_words(qn_opened *m, const qn_adapter *a, const char *path) {
    qn_source *words = NULL;
    qn_tok *tok = NULL;
    int64_t end[QN_MAX_EOS], n = 0;
    int rc;
    QN_TRY_OUT(qn_adapter_words(&words, a, path, m->model->cfg.V));
    if (!words)
        goto out;
    QN_TRY_OUT(qn_source_tokenizer(words, &tok));
    QN_TRY_OUT(check_words(m, a, tok));
    QN_TRY_OUT(qn_source_ends(words, end, &n));
    if (!m->words || qn_tok_size(tok) >= qn_tok_size(m->tok)) {     /* else the one before it knows them all */
        QN_TRY_OUT(take_words(m, words, tok));
        words = NULL;
        tok = NULL;
    }
    if (n > 0) {
        memcpy(m->model->cfg.eos, end, sizeof end);
        m->model->cfg.n_eos = n;
    }
out:
    qn_source_close(words);
    qn_tok_free(tok);
    return rc;
}

int qn_open_adapter(qn_opened *m, const char *word) {
    double scale;
    char *path;
    if (m->n_adapters == QN_ADAPTERS)
        return qn_fail(QN_EUSAGE, "--adapter: at most %d are possible", QN_ADAPTERS);
    QN_TRY(qn_adapter_word(word, &path, &scale));
    int rc = qn_adapter_read(&m->adapter[m->n_adapters], path, m->model);
    if (rc >= 0) {
        const qn_adapter *a = m->adapter[m->n_adapters];
        m->scale[m->n_adapters++] = (float)scale;
        rc = qn_adapter_check_words(a, path, m->file.tok, qn_source_path(m->source));
        if (rc >= 0 && a->n_tokens)
            rc = bring_words(m, a, path);
    }
    qn_free(path);
    return rc;
}

static int read_adapters(const qn_cli *c, qn_opened *m) {
    size_t n;
    const char *const *named = qn_cli_list(c, "adapter", &n);
    for (size_t i = 0; i < n; i++)
        QN_TRY(qn_open_adapter(m, named[i]));
    return 0;
}

int qn_open_model(qn_cli *c, const char *path, qn_opened *m) {
    const double start = qn_now();
    QN_TRY(qn_open_model_as(c, path, qn_cli_weights(c), m));
    QN_TRY(read_adapters(c, m));
    m->load_seconds = qn_now() - start;
    return 0;
}

int qn_open_model_as(qn_cli *c, const char *path, int weights, qn_opened *m) {
    const double start = qn_now();
    const qn_model_options options = {.weights = weights, .behind = true};
    const qn_arch *arch;
    qn_config config;
    QN_TRY(qn_source_open(&m->source, path));
    QN_TRY(qn_source_config(m->source, &arch, &config));        /* what is no model is told first */
    m->open_seconds = qn_now() - start;
    QN_TRY(qn_cli_pool(c, &m->pool));
    QN_TRY(qn_model_load(&m->file.model, m->source, &options, m->pool));
    m->model = m->file.model;
    const double loaded = qn_now();
    start_job job = {.source = m->source, .model = m->model, .behind = m->behind};
    qn_pool_run(m->pool, build_and_pack, &job);
    m->tok = m->file.tok = job.tok;
    m->tok_seconds = qn_now() - loaded;
    QN_TRY(job.rc);
    if (!m->behind)
        qn_model_settle(m->model, m->pool);
    QN_TRY(check_vocabulary(m));
    m->kernels = qn_kernels_at(qn_cli_isa(c));
    m->load_seconds = qn_now() - start;
    qn_log(QN_LOG_DEBUG, "loaded %s in %.3f s", path, m->load_seconds);
    return 0;
}

/* ---- packing beside ---- */

struct qn_packer {
    const qn_model *m;
    atomic_bool stop;
    pthread_t thread;
};

/* Its turn comes after everybody else's: what is asked for meanwhile does not wait for it. */
static void *pack_beside(void *arg) {
    struct qn_packer *p = arg;
    setpriority(PRIO_PROCESS, 0, 10);                   /* of this thread alone, in Linux */
    while (!atomic_load(&p->stop) && qn_model_pack_next(p->m))
        ;
    return NULL;
}

/* Where there is no thread, whoever needs the weights packs them. */
void qn_opened_pack_beside(qn_opened *m) {
    if (m->packer || qn_model_settled(m->file.model) || !(m->packer = qn_zalloc(QN_MEM_CLI, 1, sizeof *m->packer)))
        return;
    m->packer->m = m->file.model;
    if (pthread_create(&m->packer->thread, NULL, pack_beside, m->packer) == 0)
        return;
    qn_free(m->packer);
    m->packer = NULL;
}

static void end_packer(struct qn_packer *p) {
    if (!p)
        return;
    atomic_store(&p->stop, true);
    pthread_join(p->thread, NULL);
    qn_free(p);
}

/* ---- several models ---- */

/* The model that stands last before this place; −1: none does. */
static int owner_of(const qn_cli *c, const qn_model_word *w, size_t n, int place) {
    int owner = -1, nearest = -1;
    for (size_t i = 0; i < n; i++) {
        const int at = qn_cli_place(c, w[i].path);
        if (at < place && at > nearest) {
            nearest = at;
            owner = (int)i;
        }
    }
    return owner;
}

int qn_share_adapters(const qn_cli *c, qn_model_word *w, size_t n) {
    size_t adapters;
    const char *const *named = qn_cli_list(c, "adapter", &adapters);
    for (size_t i = 0; i < adapters; i++) {
        const int owner = n == 1 ? 0 : owner_of(c, w, n, qn_cli_place(c, named[i]));
        if (owner < 0)
            return qn_fail(QN_EUSAGE, "--adapter %s stands in front of all models; put it behind the one that it "
                           "belongs to", named[i]);
        if (w[owner].n_adapters == QN_ADAPTERS)
            return qn_fail(QN_EUSAGE, "--adapter %s: at most %d are possible on one model", named[i], QN_ADAPTERS);
        w[owner].adapter[w[owner].n_adapters++] = named[i];
    }
    return 0;
}

static bool is_same_file(const char *a, const char *b) {
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int qn_open_word(qn_cli *c, const qn_model_word *w, int weights, const qn_opened *beside, qn_opened *m) {
    const double start = qn_now();
    if (beside && beside->file.model && is_same_file(qn_source_path(beside->source), w->path)) {
        *m = (qn_opened){.source = beside->source, .tok = beside->file.tok, .model = beside->file.model,
                         .pool = beside->pool, .kernels = beside->kernels, .file = beside->file, .shared = true};
    } else {
        QN_TRY(qn_open_model_as(c, w->path, weights, m));
    }
    for (size_t i = 0; i < w->n_adapters; i++)
        QN_TRY(qn_open_adapter(m, w->adapter[i]));
    m->load_seconds = qn_now() - start;
    return 0;
}

static int open_session(qn_cli *c, qn_opened *m, int64_t sequences, int64_t context, const atomic_bool *cancel) {
    const int64_t trained = m->model->cfg.context;
    if (context > trained)
        qn_log(QN_LOG_WARN, "context %lld: the model was made for %lld tokens; beyond them its answers get worse",
               (long long)context, (long long)trained);
    const char *kv = qn_cli_str(c, "kv");
    const qn_session_options options = {
        .context = context, .sequences = sequences, .kv = kv ? qn_dtype_from_name(qn_str_of(kv)) : -1,
        .cancel = cancel, .adapter = (const qn_adapter *const *)m->adapter, .n_adapters = m->n_adapters,
    };
    QN_TRY(qn_session_new(&m->session, m->model, m->kernels, m->pool, &options));
    for (int64_t i = 0; i < qn_session_sequences(m->session); i++)
        QN_TRY(qn_session_adapt(m->session, i, m->scale));
    return 0;
}

/* --ctx, or the model's up to the cap, which is said. */
static int64_t wanted_context(const qn_cli *c, const qn_opened *m) {
    const int64_t trained = m->model->cfg.context;
    if (qn_cli_given(c, "ctx"))
        return qn_cli_int(c, "ctx");
    if (QN_CONTEXT_CAP < trained)
        qn_log(QN_LOG_INFO, "context: %d of the model's %lld tokens; --ctx N asks for more", QN_CONTEXT_CAP,
               (long long)trained);
    return QN_MIN(trained, QN_CONTEXT_CAP);
}

int qn_open_session_of(qn_cli *c, qn_opened *m, int64_t sequences, int64_t context) {
    return open_session(c, m, sequences, context, &qn_cancel_flag);
}

int qn_open_session(qn_cli *c, qn_opened *m, int64_t sequences) {
    return open_session(c, m, sequences, wanted_context(c, m), &qn_cancel_flag);
}

int qn_open_session_unbroken(qn_cli *c, qn_opened *m, int64_t sequences) {
    return open_session(c, m, sequences, wanted_context(c, m), NULL);
}

void qn_opened_drop(qn_opened *m) {
    end_packer(m->packer);
    qn_session_free(m->session);
    for (int i = 0; i < m->n_adapters; i++)
        qn_adapter_free(m->adapter[i]);
    if (m->words) {
        qn_tok_free(m->tok);
        qn_free(m->model);
    }
    qn_source_close(m->words);
    if (!m->shared) {
        qn_model_free(m->file.model);
        qn_tok_free(m->file.tok);
        qn_source_close(m->source);
    }
    *m = (qn_opened){0};
}

int qn_opened_describe(const qn_opened *m, qn_buf *out) {
    QN_TRY(qn_buf_printf(out, "%s; %s, %d thread%s", m->model->identity, qn_isa_name(m->kernels->isa),
                         qn_pool_threads(m->pool), qn_pool_threads(m->pool) == 1 ? "" : "s"));
    for (int i = 0; i < m->n_adapters; i++)
        QN_TRY(qn_buf_printf(out, ", adapter %s × %g", m->adapter[i]->name, (double)m->scale[i]));
    if (!m->session)
        return 0;
    return qn_buf_printf(out, ", KV %s, context %lld", qn_dtype_get(qn_session_kv_dtype(m->session))->name,
                         (long long)qn_session_context(m->session));
}

int qn_opened_log(const qn_opened *m, qn_log_level level, const char *name) {
    qn_buf text = {0};
    const int rc = qn_opened_describe(m, &text);
    if (rc >= 0)
        qn_log(level, "%s%s%s", name ? name : "", name ? ": " : "", text.s);
    qn_buf_drop(&text);
    return rc;
}

void qn_opened_put_adapters(const qn_opened *m, qn_jw *w) {
    if (m->n_adapters == 0)
        return;
    qn_field_open(w, "adapters", '[');
    for (int i = 0; i < m->n_adapters; i++) {
        qn_jw_open(w, '{');
        qn_field_str(w, "file", m->adapter[i]->name);
        qn_field_f64(w, "scale", (double)m->scale[i]);
        qn_jw_close(w);
    }
    qn_jw_close(w);
}
