/* cli/cmd_data_world.c — `quern data world`: a closed world out of a seed, and the texts that tell of it. */
#include "cli/cli.h"
#include "cli/fields.h"
#include "cli/known_facts.h"
#include "cli/open_model.h"
#include "world/corpus_write.h"
#include "world/name_check.h"
#include "world/sets.h"

static const qn_opt opts[] = {
    QN_OPT_FOLDER("o", "out", NULL, "write the world into this folder"),
    QN_OPT_INT("s", "seed", "1", 0, 9007199254740991.0, "another seed is another world"),
    QN_OPT_ENUM("", "size", "small", "small|medium|large", "5 MB about 192 people, 40 MB about 2,000, 400 MB about 20,000"),
    QN_OPT_FLAG("", "sidecar", "write beside the texts what each choice in them cost in bits"),
    QN_OPT_FILE("", "known-by", NULL, "let tuning ask only for facts that this MODEL gets right in 3 of 4 forms"),
    QN_OPT_FLAG("", "force", "replace the world that is there"),
    QN_OPTS_MODEL, QN_OPTS_SESSION,
    QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {"quern data world --out world/", "quern data world --seed 7 --size medium --out world/ --sidecar",
                                       NULL};

/* The sets beside the corpus, and whether names give strangers away to a tokenizer of this corpus. */
static int write_sets(qn_cli *c, const qn_world *w, qn_pool *pool, qn_sets_report *r, qn_name_check *names) {
    const char *out = qn_cli_str(c, "out"), *model = qn_cli_str(c, "known-by");
    qn_known_facts known = {0};
    qn_buf corpus = {0};
    int rc = 0;
    if (model)
        QN_TRY_OUT(qn_known_facts_find(c, w, model, &known));
    QN_TRY_OUT(qn_sets_write(w, &(qn_sets_options){model ? qn_known_facts_has : NULL, &known}, out, r));
    QN_TRY_OUT(qn_path_join(&corpus, out, "corpus"));
    QN_TRY_OUT(qn_name_check_corpus(w, corpus.s, QN_NAME_CHECK_VOCAB, pool, names));
    if (names->alike.p <= QN_NAME_CHECK_P)
        rc = qn_fail(QN_ETEST, "names of unknown people have other numbers of tokens than those of known ones (%.2f and "
                     "%.2f on average, p = %.3f): try another seed", names->unknown, names->known, names->alike.p);
out:
    qn_buf_drop(&corpus);
    qn_known_facts_drop(&known);
    return QN_MIN(rc, 0);
}

static int progress(void *bar, int64_t done, int64_t all) {
    qn_progress *p = bar;
    p->total = all;
    qn_progress_set(p, done);
    return qn_cancel_check();
}

static int run(qn_cli *c) {
    qn_world *w = NULL;
    qn_plan *plan = NULL;
    qn_pool *pool;
    qn_progress bar;
    qn_corpus_written r = {0};
    qn_sets_report sets;
    qn_name_check names;
    int rc;
    if (!qn_cli_str(c, "out"))
        return qn_fail(QN_EUSAGE, "--out DIR is missing: where the world goes");
    QN_TRY(qn_cli_pool(c, &pool));
    QN_TRY_OUT(qn_world_new(&w, (uint64_t)qn_cli_int(c, "seed"), (qn_world_size)qn_cli_enum(c, "size")));
    QN_TRY_OUT(qn_plan_new(&plan, w));
    qn_progress_init(&bar, c, "telling", plan->n_docs, "documents");
    rc = qn_corpus_write(w, plan, pool, &(qn_corpus_write_options){.out = qn_cli_str(c, "out"), .sidecar = qn_cli_flag(c, "sidecar"),
                                                                   .progress = progress, .arg = &bar}, &r);
    qn_progress_drop(&bar);
    QN_TRY_OUT(rc);
    QN_TRY_OUT(write_sets(c, w, pool, &sets, &names));
    rc = qn_out_printf(c, "%s: %lld documents, %.2f MB; facts %.1f %%, tales %.1f %%, sums %.1f %%, copies %.1f %%\n",
                       qn_cli_str(c, "out"), (long long)r.documents, (double)r.bytes / 1e6,
                       100.0 * (double)r.class_bytes[0] / (double)r.bytes, 100.0 * (double)r.class_bytes[1] / (double)r.bytes,
                       100.0 * (double)r.class_bytes[2] / (double)r.bytes, 100.0 * (double)r.class_bytes[3] / (double)r.bytes);
out:
    qn_corpus_written_drop(&r);
    qn_plan_free(plan);
    qn_world_free(w);
    return rc;
}

const qn_cmd qn_cmd_data_world = {
    "data world", "", "a closed world out of a seed, and the texts that tell of it", opts, examples, run, NULL
};
