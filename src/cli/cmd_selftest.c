/* cli/cmd_selftest.c — `quern selftest`: does this build compute rightly on this machine? */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "base/json_fields.h"
#include "cli/house_checks.h"
#include "kernels/selftest.h"

static const qn_opt opts[] = {
    QN_OPT_STRING("", "filter", NULL, "WORD", "only checks that have WORD in their name: products, tokenizer …"),
    QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern selftest", "quern selftest all", "quern selftest kernels --isa avx2 --verbose",
    "quern selftest all --filter attention", NULL
};

static const char notes[] =
    "kernels: every row of the kernel list up to --isa, on random and hostile inputs, against its twin in double; rows "
    "of one dtype and level against each other, bit for bit.\n"
    "all: the elementary functions, stored formats, tokenizer, files and threads as well.\n"
    "--verbose names each row. The exit code is 1 when anything fails.";

static const char *const scopes[] = {"kernels", "all"};

typedef struct {
    qn_cli *c;
    qn_jw *w;                       /* NULL: text */
    int64_t cases, failures;
    char first[512];                /* the message of the first family that failed */
} job;

static bool wanted(const job *j, const char *name) {
    const char *word = qn_cli_str(j->c, "filter");
    return !word || strstr(name, word);
}

/* Rows that hold are named with --verbose only; failures always. */
static void say(QN_UNUSED void *arg, const char *line, bool ok) {
    qn_log(ok ? QN_LOG_DEBUG : QN_LOG_WARN, "%s", line);
}

static const struct { const char *name; int (*run)(qn_isa cap, qn_selftest_report *r); } families[] = {
    {"products", qn_selftest_linear}, {"rows", qn_selftest_rows}, {"attention", qn_selftest_attn},
};

static void json_result(qn_jw *w, const char *name, int64_t cases, int64_t failures) {
    qn_field_str(w, "name", name);
    qn_field_i64(w, "cases", cases);
    qn_field_i64(w, "failures", failures);
}

static int put_family(job *j, const char *name, const qn_selftest_report *r) {
    j->cases += r->cases;
    j->failures += r->failures;
    if (j->w) {
        qn_jw_open(j->w, '{');
        json_result(j->w, name, r->cases, r->failures);
        qn_field_i64(j->w, "rows", r->rows);
        qn_field_f64(j->w, "worst", r->worst);
        qn_jw_close(j->w);
        return 0;
    }
    QN_TRY(qn_out_printf(j->c, "%-12s%6lld rows%12lld cases%10lld failures   at worst %.0f %% of a bound\n", name,
                         (long long)r->rows, (long long)r->cases, (long long)r->failures, 100 * r->worst));
    return qn_out_flush(j->c);
}

static int run_kernels(job *j) {
    for (size_t i = 0; i < QN_LEN(families); i++) {
        qn_selftest_report r = {.say = say};
        if (!wanted(j, families[i].name))
            continue;
        const int rc = families[i].run(qn_cli_isa(j->c), &r);
        if (rc < 0 && rc != QN_ETEST)
            return rc;
        if (rc == QN_ETEST && !j->first[0])
            snprintf(j->first, sizeof j->first, "%s", qn_error_message());
        QN_TRY(put_family(j, families[i].name, &r));
        QN_TRY(qn_cancel_check());
    }
    return 0;
}

static int put_check(job *j, const qn_house_check *check, const qn_house_report *r) {
    j->cases += r->cases;
    j->failures += r->failures;
    if (r->failures > 0)
        qn_log(QN_LOG_WARN, "%s: %s", check->name, r->first);
    if (r->failures > 0 && !j->first[0])
        snprintf(j->first, sizeof j->first, "%s: %s", check->name, r->first);
    if (j->w) {
        qn_jw_open(j->w, '{');
        json_result(j->w, check->name, r->cases, r->failures);
        qn_jw_close(j->w);
        return 0;
    }
    return qn_out_printf(j->c, "%-12s%23lld cases%10lld failures   %s\n", check->name, (long long)r->cases,
                         (long long)r->failures, check->about);
}

static int run_checks(job *j) {
    qn_pool *pool;
    QN_TRY(qn_cli_pool(j->c, &pool));
    for (const qn_house_check *check = qn_house_checks; check->name; check++) {
        qn_house_report r = {0};
        if (!wanted(j, check->name))
            continue;
        if (check->run(&r, pool) < 0) {         /* what cannot be checked has failed */
            r.cases++;
            r.failures++;
            snprintf(r.first, sizeof r.first, "%.*s", (int)sizeof r.first - 1, qn_error_message());
        }
        QN_TRY(put_check(j, check, &r));
    }
    return 0;
}

/* The checks as rows, their sums behind them. */
static int check_all(job *j, int scope) {
    const char *level = qn_isa_name(qn_kernels_at(qn_cli_isa(j->c))->isa);
    if (j->w) {
        qn_jw_open(j->w, '{');
        qn_field_str(j->w, "isa", level);
        qn_jw_key(j->w, "checks");
        qn_jw_open(j->w, '[');
    } else {
        QN_TRY(qn_out_printf(j->c, "levels up to %s\n", level));
    }
    QN_TRY(run_kernels(j));
    if (scope == 1)
        QN_TRY(run_checks(j));
    if (!j->w)
        return qn_out_printf(j->c, "%lld cases, %lld failures\n", (long long)j->cases, (long long)j->failures);
    qn_jw_close(j->w);
    qn_field_i64(j->w, "cases", j->cases);
    qn_field_i64(j->w, "failures", j->failures);
    qn_jw_close(j->w);
    return qn_out_json_end(j->c);
}

/* Before minutes are spent: is there a check of this name? */
static int find_wanted(const job *j, int scope) {
    int n = 0;
    for (size_t i = 0; i < QN_LEN(families); i++)
        n += wanted(j, families[i].name);
    for (const qn_house_check *check = qn_house_checks; scope == 1 && check->name; check++)
        n += wanted(j, check->name);
    return n ? 0 : qn_fail(QN_EUSAGE, "--filter %s matches nothing in `quern selftest %s`", qn_cli_str(j->c, "filter"),
                           scopes[scope]);
}

static int run(qn_cli *c) {
    job j = {.c = c};
    int scope;
    QN_TRY(qn_cli_word(c, 0, scopes, QN_LEN(scopes), &scope));
    QN_TRY(find_wanted(&j, scope));
    if (qn_cli_json(c))
        j.w = qn_out_json(c, 2);
    QN_TRY(check_all(&j, scope));
    return j.failures > 0 ? qn_fail(QN_ETEST, "%lld of %lld cases failed, the first: %s", (long long)j.failures,
                                    (long long)j.cases, j.first) : 0;
}

const qn_cmd qn_cmd_selftest = {
    "selftest", "[kernels|all]", "whether this build computes rightly on this machine", opts, examples, run, notes
};
