/* cli/cmd_data_world.c — `quern data world`: a closed world out of a seed, and the texts that tell of it.
 *
 * All is written into OUT.partial and moved to OUT when it is whole: an interrupted run leaves nothing. */
#include <string.h>

#include "base/dir.h"
#include "base/file.h"
#include "cli/known_facts.h"
#include "cli/open_model.h"
#include "cli/world_report.h"

static const qn_opt opts[] = {
    QN_OPT_FOLDER("o", "out", NULL, "write the world into this folder"),
    QN_OPT_INT("s", "seed", "1", 0, 9007199254740991.0, "another seed is another world"),
    QN_OPT_ENUM("", "size", "small", "small|medium|large",
                "6 MB about 192 people, 40 MB about 2,000, 400 MB about 20,000"),
    QN_OPT_FLAG("", "sidecar", "write beside the texts what each choice in them cost in bits"),
    QN_OPT_FILE("", "known-by", NULL, "let tuning ask only for facts that this MODEL gets right in 3 of 4 forms"),
    QN_OPT_FILE("", "compare", NULL, "measure this text beside the corpus"),
    QN_OPT_FLAG("", "force", "replace the world that is there"),
    QN_OPTS_MODEL, QN_OPTS_SESSION,
    QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern data world --out world/",
    "quern data world --seed 7 --size medium --out world/ --sidecar",
    "quern data world --out world/ --force --compare shakespeare.txt",
    NULL
};

static const char notes[] =
    "The same seed and size give the same bytes everywhere. The folder holds corpus/ (for `quern data prepare "
    "world/corpus --separator '<|endoftext|>'`), facts.jsonl, sets to tune and to evaluate with, and world.json, which "
    "says what was made. Nothing in it is true outside of it.";

/* ---- where it goes ----------------------------------------------------------------------------------------------- */

static bool holds_world(const char *dir) {
    qn_buf path = {0};
    const bool there = qn_path_join(&path, dir, "world.json") >= 0 && qn_is_file(path.s);
    qn_buf_drop(&path);
    return there;
}

static int check_out(const char *out, bool force) {
    qn_dir_names names = {0};
    if (!qn_is_dir(out))
        return qn_is_file(out) ? qn_fail(QN_EINVAL, "%s: is a file; a world is a folder", out) : 0;
    QN_TRY(qn_dir_list(&names, out));
    const bool empty = names.n == 0;
    qn_dir_names_drop(&names);
    if (empty || (holds_world(out) && force))
        return 0;
    return qn_fail(QN_EINVAL, holds_world(out) ? "%s: holds a world already; choose another name, or replace it with "
                   "--force" : "%s: is not empty and holds no world; choose another name", out);
}

/* "world/" → "world.partial" */
static int partial_name(const char *out, qn_buf *path) {
    size_t n = strlen(out);
    while (n > 1 && out[n - 1] == '/')
        n--;
    QN_TRY(qn_buf_put(path, out, n));
    return qn_buf_puts(path, ".partial");
}

/* ---- the work ---------------------------------------------------------------------------------------------------- */

static int progress(void *bar, int64_t done, int64_t all) {
    (void)all;
    qn_progress_set(bar, done);
    return qn_cancel_check();
}

static int write_corpus(qn_cli *c, qn_world_report *r, qn_pool *pool, const char *folder) {
    qn_plan *plan = NULL;
    qn_progress bar;
    QN_TRY(qn_plan_new(&plan, r->w));
    qn_progress_init(&bar, c, "telling", plan->n_docs, "documents");
    const qn_corpus_write_options o = {.out = folder, .sidecar = r->sidecar, .progress = progress, .arg = &bar};
    const int rc = qn_corpus_write(r->w, plan, pool, &o, &r->corpus);
    qn_progress_drop(&bar);
    qn_plan_free(plan);
    return rc;
}

/* The sets beside the corpus, and whether names give strangers away to a tokenizer of this corpus. */
static int write_sets(qn_cli *c, qn_world_report *r, qn_pool *pool, const char *folder) {
    const char *model = qn_cli_str(c, "known-by");
    qn_known_facts known = {0};
    qn_buf corpus = {0};
    int rc = 0;
    if (model)
        QN_TRY_OUT(qn_known_facts_find(c, r->w, model, &known));
    QN_TRY_OUT(qn_sets_write(r->w, &(qn_sets_options){model ? qn_known_facts_has : NULL, &known}, folder, &r->sets));
    QN_TRY_OUT(qn_cancel_check());
    QN_TRY_OUT(qn_path_join(&corpus, folder, "corpus"));
    QN_TRY_OUT(qn_name_check_corpus(r->w, corpus.s, QN_NAME_CHECK_VOCAB, pool, &r->names));
    if (r->names.alike.p <= QN_NAME_CHECK_P)
        rc = qn_fail(QN_ETEST, "names of unknown people have other numbers of tokens than those of known ones (%.2f "
                     "and %.2f on average, p = %.3f): try another seed", r->names.unknown, r->names.known,
                     r->names.alike.p);
out:
    qn_buf_drop(&corpus);
    qn_known_facts_drop(&known);
    return QN_MIN(rc, 0);
}

static int write_all(qn_cli *c, qn_world_report *r, const char *folder) {
    qn_pool *pool;
    QN_TRY(qn_cli_pool(c, &pool));
    QN_TRY(qn_dir_remove(folder));
    QN_TRY(qn_dir_make(folder));
    QN_TRY(write_corpus(c, r, pool, folder));
    QN_TRY(write_sets(c, r, pool, folder));
    QN_TRY(qn_world_report_measure(r, folder));
    QN_TRY(qn_cancel_check());
    QN_TRY(qn_world_report_file(r, folder));
    QN_TRY(qn_dir_remove(r->out));
    return qn_dir_move(folder, r->out);
}

static int print(qn_cli *c, const qn_world_report *r) {
    if (!qn_cli_json(c))
        return qn_world_report_text(c, r);
    qn_world_report_json(r, qn_out_json(c, 2));
    return qn_out_json_end(c);
}

static int run(qn_cli *c) {
    qn_world_report r = {.out = qn_cli_str(c, "out"), .compare = qn_cli_str(c, "compare"),
                         .sidecar = qn_cli_flag(c, "sidecar")};
    qn_world *w = NULL;
    qn_buf partial = {0};
    int rc;
    if (!r.out)
        return qn_fail(QN_EUSAGE, "--out DIR is missing: where the world goes");
    QN_TRY(check_out(r.out, qn_cli_flag(c, "force")));
    if (r.compare && !qn_is_file(r.compare))
        return qn_fail(QN_ENOTFOUND, "%s: there is no such file to compare with", r.compare);
    QN_TRY_OUT(partial_name(r.out, &partial));
    QN_TRY_OUT(qn_world_new(&w, (uint64_t)qn_cli_int(c, "seed"), (qn_world_size)qn_cli_enum(c, "size")));
    r.w = w;
    rc = write_all(c, &r, partial.s);
    if (rc < 0)
        qn_dir_remove(partial.s);
    else
        rc = print(c, &r);
out:
    qn_world_report_drop(&r);
    qn_world_free(w);
    qn_buf_drop(&partial);
    return rc;
}

const qn_cmd qn_cmd_data_world = {
    "data world", "", "a closed world out of a seed, and the texts that tell of it", opts, examples, run, notes
};
