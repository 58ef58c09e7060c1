/* cli/cmd_data_world.c — `quern data world`: a closed world out of a seed, and the texts that tell of it.
 *
 * All is written into OUT.partial and moved to OUT when it is whole (world_folder.h): an interrupted run leaves
 * nothing, but for OUT.known, what a model of --known-by has answered so far. */
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/known_facts.h"
#include "cli/open_model.h"
#include "cli/world_folder.h"
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
static int write_sets(qn_cli *c, qn_world_report *r, qn_pool *pool, const qn_world_folder *f) {
    const char *folder = f->partial.s, *model = qn_cli_str(c, "known-by");
    qn_known_facts known = {0};
    qn_buf corpus = {0};
    int rc = 0;
    if (model)
        QN_TRY_OUT(qn_known_facts_find(c, r->w, model, f->known.s, &known));
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

static int write_all(qn_cli *c, qn_world_report *r, qn_world_folder *f) {
    const char *folder = f->partial.s;
    qn_pool *pool;
    QN_TRY(qn_cli_pool(c, &pool));
    QN_TRY(qn_world_folder_begin(f));
    QN_TRY(write_corpus(c, r, pool, folder));
    QN_TRY(write_sets(c, r, pool, f));
    QN_TRY(qn_world_report_measure(r, folder));
    QN_TRY(qn_cancel_check());
    QN_TRY(qn_world_report_file(r, folder));
    QN_TRY(qn_world_folder_put(f));
    if (qn_cli_given(c, "known-by"))
        unlink(f->known.s);                     /* the answers are in the world now */
    return 0;
}

/* A text to compare with: measured last, so looked at first. */
static int check_compare(const char *path) {
    qn_map_file map;
    if (!qn_is_file(path))
        return qn_fail(QN_ENOTFOUND, "%s: there is no such file to compare with", path);
    QN_TRY(qn_map_open(&map, path));
    const size_t head = QN_MIN(map.n, (size_t)1 << 20);
    int rc = 0;
    if (map.n == 0)
        rc = qn_fail(QN_EINVAL, "%s: is empty; there is nothing to compare with", path);
    else if (memchr(map.s, '\0', head))
        rc = qn_fail(QN_EINVAL, "%s: is no text (it holds zero bytes); give a text to compare with", path);
    qn_map_close(&map);
    return rc;
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
    qn_world_folder folder = {0};
    qn_world *w = NULL;
    int rc;
    if (!r.out)
        return qn_fail(QN_EUSAGE, "--out DIR is missing: where the world goes");
    QN_TRY_OUT(qn_world_folder_init(&folder, r.out, qn_cli_flag(c, "force")));
    if (r.compare)
        QN_TRY_OUT(check_compare(r.compare));
    QN_TRY_OUT(qn_world_new(&w, (uint64_t)qn_cli_int(c, "seed"), (qn_world_size)qn_cli_enum(c, "size")));
    r.w = w;
    QN_TRY_OUT(write_all(c, &r, &folder));
    rc = print(c, &r);
out:
    qn_world_folder_drop(&folder);
    qn_world_report_drop(&r);
    qn_world_free(w);
    return rc;
}

const qn_cmd qn_cmd_data_world = {
    "data world", "", "a closed world out of a seed, and the texts that tell of it", opts, examples, run, notes
};
