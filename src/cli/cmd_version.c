/* cli/cmd_version.c — `quern version`: which quern this is, and what it may use of this machine. */
#include "base/version.h"
#include "cli/cli.h"

static const qn_opt opts[] = {QN_OPT_JSON, QN_OPT_END};

static const char *const examples[] = {"quern version", "quern version --json", NULL};

static int run(qn_cli *c) {
    if (!qn_cli_json(c))
        return qn_out_puts(c, "quern " QN_VERSION "\n");
    qn_jw *w = qn_out_json(c, 2);
    qn_jw_open(w, '{');
    qn_jw_key(w, "version");
    qn_jw_str(w, QN_STR(QN_VERSION));
    qn_jw_key(w, "compiler");
    qn_jw_str(w, qn_str_of(__VERSION__));
    qn_jw_key(w, "isa");                                /* of this machine, under --isa */
    qn_jw_str(w, qn_str_of(qn_isa_name(qn_isa_fit(qn_cli_isa(c)))));
    qn_jw_close(w);
    return qn_out_json_end(c);
}

const qn_cmd qn_cmd_version = {
    "version", "", "which quern this is", opts, examples, run, NULL
};
