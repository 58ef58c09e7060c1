/* cli/cmd_report.c — `quern report`: how runs went, as one HTML page and in characters, or as JSON.
 *
 * The page goes to a file as a whole (a temporary name, then a rename), the summary to stdout: as wide as the terminal,
 * in colour at one, in ASCII where the locale is not UTF-8. */
#include <langinfo.h>
#include <locale.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/cli.h"
#include "cli/result_file.h"
#include "report/report.h"

static const qn_opt opts[] = {
    QN_OPT_FILE("o", "out", NULL, "the page; without it RUN/report.html"),
    QN_OPT_FLAG("", "force", "replace a file that is no report of quern's"),
    QN_OPT_FLAG("", "text", "only the summary, no page"),
    QN_OPT_INT("", "width", NULL, 40, 400, "columns of the summary (without: the terminal's, else 80)"),
    QN_OPT_ENUM("", "color", "auto", "auto|always|never", "colour in the summary; auto: at a terminal"),
    QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern report run",
    "quern report runs/a runs/b --out comparison.html",
    "quern report run --text --width 120",
    "quern report run --json | jq '.runs[0].eval_loss.least'",
    NULL
};

static const char notes[] =
    "The page is one file: figures with their values under the pointer, light and dark, for a phone and for paper; "
    "nothing is fetched. The first RUN is what it is about, others are set beside it. Beside what training records it "
    "shows RUN/evaluation*.json, RUN/eval/*.json, RUN/bits*.json and RUN/hhh*.json where they are.\n"
    "With --json the summary is one JSON object, and a page is written only where --out names one.\n"
    "A run that is still going may be reported on. Lines that cannot be read are counted, and the page says so.";

static int width_of(const qn_cli *c) {
    struct winsize w;
    if (qn_cli_given(c, "width"))
        return (int)qn_cli_int(c, "width");
    if (ioctl(c->out_fd, TIOCGWINSZ, &w) == 0 && w.ws_col > 0)
        return QN_MIN(w.ws_col, 160);
    return 80;
}

/* What the locale of the environment says; numbers stay those of the C locale. */
static bool speaks_utf8(void) {
    setlocale(LC_CTYPE, "");
    const bool utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    setlocale(LC_CTYPE, "C");
    return utf8;
}

static int write_text(qn_cli *c, const qn_report *r) {
    const int color = qn_cli_enum(c, "color");
    const qn_text_plot t = {.width = width_of(c), .utf8 = speaks_utf8(),
                            .color = color == 1 || (color == 0 && isatty(c->out_fd) == 1)};
    qn_buf text = {0};
    int rc = qn_report_text(r, &text, &t);
    if (rc >= 0)
        rc = qn_out_put(c, text.s ? text.s : "", text.n);
    qn_buf_drop(&text);
    return rc;
}

static int write_json(qn_cli *c, const qn_report *r) {
    QN_TRY(qn_report_json(r, qn_out_json(c, 2)));
    return qn_out_json_end(c);
}

static int write_page(const qn_cli *c, const qn_report *r, const char *path) {
    qn_buf page = {0};
    int rc = qn_result_file_check(path, "a report of quern's", qn_is_report_file, qn_cli_flag(c, "force"));
    if (rc >= 0)
        rc = qn_report_html(r, &page);
    if (rc >= 0)
        rc = qn_write_file(path, page.s, page.n);
    qn_buf_drop(&page);
    return rc;
}

/* The page first: where it cannot be written, nothing else is said. */
static int write_both(qn_cli *c, const qn_report *r) {
    qn_buf path = {0};
    const char *out = qn_cli_str(c, "out");
    int rc;
    QN_TRY_OUT(out ? qn_buf_puts(&path, out) : qn_path_join(&path, qn_cli_arg(c, 0), "report.html"));
    QN_TRY_OUT(write_page(c, r, path.s));
    QN_TRY_OUT(write_text(c, r));
    QN_TRY_OUT(qn_out_puts(c, "report: "));
    QN_TRY_OUT(qn_out_clean(c, qn_buf_view(&path)));
    rc = qn_out_puts(c, "\n");
out:
    qn_buf_drop(&path);
    return rc;
}

/* What was asked for, of a report that is read. */
static int write_all(qn_cli *c, const qn_report *r) {
    if (qn_cli_json(c)) {
        if (qn_cli_str(c, "out"))
            QN_TRY(write_page(c, r, qn_cli_str(c, "out")));
        return write_json(c, r);
    }
    return qn_cli_flag(c, "text") ? write_text(c, r) : write_both(c, r);
}

static int run(qn_cli *c) {
    qn_report *r = NULL;
    int rc;
    if (qn_cli_flag(c, "text") && qn_cli_given(c, "out"))
        return qn_fail(QN_EUSAGE, "--text writes no page, --out names one; which is it?");
    QN_TRY(qn_report_new(&r));
    for (size_t i = 0; i < qn_cli_args(c); i++)
        QN_TRY_OUT(qn_report_add(r, qn_cli_arg(c, i)));
    rc = write_all(c, r);
out:
    qn_report_free(r);
    return rc;
}

const qn_cmd qn_cmd_report = {
    "report", "RUN...", "how runs went: one HTML page and a summary", opts, examples, run, notes
};
