/* report/report_page.c — the page: one HTML file with all that it needs.
 *
 *     title, what the run is, remarks
 *     tiles                     the figures that one asks for first
 *     runs side by side         where there are several, and what differs between them
 *     learning                  loss, wide
 *     what it knows             tasks beside baselines
 *     alignment                 helpful, honest, harmless, and what that cost
 *     bits by kind              against the floor
 *     what it wrote             samples
 *     the course of it          rate, gradient, speed, share of peak
 *     data, machine, recipe, the same again
 *
 * Colours and figures are plot's; what stands here is the page around them. */
#include <string.h>

#include "report/report_impl.h"

static const char page_css[] =
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,"
    "sans-serif;-webkit-text-size-adjust:100%}\n"
    "main{max-width:1080px;margin:0 auto;padding:28px 20px 60px}\n"
    "h1{font-size:1.9rem;line-height:1.2;margin:0 0 8px;overflow-wrap:anywhere}\n"
    "h2{font-size:1.25rem;margin:48px 0 8px;padding-top:14px;border-top:1px solid var(--rule)}\n"
    "h3{font-size:.95rem;margin:0 0 8px;overflow-wrap:anywhere}\n"
    ".lead,figcaption,dt,small,.about{color:var(--soft)}.about{font-size:.9rem;margin:6px 0 0}\n"
    ".lead{margin:0 0 16px}.intro{font-size:1.08rem;max-width:46em;margin:0}\n"
    ".remarks{border-left:3px solid var(--s4);margin:16px 0 0;padding:2px 0 2px 14px;list-style:none}\n"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(200px,1fr));gap:12px;margin:24px 0 0}\n"
    ".tile{background:var(--card);border-radius:10px;padding:12px 14px}\n"
    ".tile div{font-size:.82rem;color:var(--soft)}"
    ".tile b{display:block;font-size:1.5rem;line-height:1.25;white-space:nowrap;"
    "font-variant-numeric:tabular-nums}\n"
    ".grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(400px,100%),1fr));gap:28px 36px}\n"
    "figure{margin:12px 0;min-width:0;break-inside:avoid}.grid figure{max-width:640px}\n"
    "figure.single{max-width:720px}\n"
    "figcaption{font-size:.88rem;line-height:1.45;margin-top:6px}\n"
    ".plot.on-narrow{display:none}\n"
    ".scroll{overflow-x:auto;margin:8px 0}table{border-collapse:collapse;font-size:.88rem;min-width:60%}\n"
    "th,td{text-align:left;padding:5px 16px 5px 0;border-bottom:1px solid var(--grid);vertical-align:top}\n"
    "th{font-weight:600;color:var(--soft)}.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\n"
    ".sub td:first-child{padding-left:18px;color:var(--soft)}td:last-child.num{white-space:normal}\n"
    ".samples{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(300px,100%),1fr));gap:14px}\n"
    ".sample{background:var(--card);border-radius:10px;padding:12px 16px;break-inside:avoid;min-width:0}\n"
    ".sample p{white-space:pre-wrap;overflow-wrap:anywhere;margin:0;font:.95rem/1.5 Georgia,'Times New Roman',serif}\n"
    ".sample h3{color:var(--soft);font-weight:600;font-size:.82rem}\n"
    "dl{display:grid;grid-template-columns:minmax(120px,max-content) 1fr;gap:3px 20px;margin:8px 0;font-size:.9rem}\n"
    "dd{margin:0;overflow-wrap:anywhere}dl.many{grid-template-columns:repeat(2,minmax(120px,max-content) 1fr)}\n"
    "details{margin:16px 0}summary{cursor:pointer;color:var(--soft)}details h3{margin:18px 0 0}\n"
    "pre{background:var(--card);border-radius:10px;padding:12px 16px;white-space:pre-wrap;overflow-wrap:anywhere;"
    "font-size:.85rem}\n"
    "footer{margin-top:56px;color:var(--soft);font-size:.82rem}\n"
    "@media (max-width:700px){.plot.on-wide{display:none}.plot.on-narrow{display:block}\n"
    "main{padding:18px 14px 40px}h1{font-size:1.5rem}.tiles{grid-template-columns:1fr 1fr;gap:8px}\n"
    ".tile b{font-size:1.25rem}dl,dl.many{grid-template-columns:1fr;gap:0}dd{margin-bottom:6px}h2{margin-top:36px}}\n"
    "@media print{body{font-size:10.5pt}main{max-width:none;padding:0}.tile,.sample,pre{border:1px solid var(--rule)}\n"
    "h2{break-after:avoid;margin-top:24px}.grid{grid-template-columns:1fr 1fr;gap:14px 24px}\n"
    ".tiles{grid-template-columns:repeat(4,1fr)}.plot.on-wide{display:block}.plot.on-narrow{display:none}\n"
    ".scroll{overflow:visible}table{font-size:8.5pt}th,td{padding-right:9px}\n"
    "details::details-content{content-visibility:visible;display:block}summary{list-style:none}}\n";

static int put_title(const qn_report *r, qn_buf *out) {
    for (size_t i = 0; i < r->n; i++) {
        QN_TRY(qn_buf_puts(out, i ? ", " : ""));
        QN_TRY(qn_xml_z(out, r->run[i].name));
    }
    return 0;
}

static int put_head(const qn_report *r, qn_buf *out) {
    QN_TRY(qn_buf_puts(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                            "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>"));
    QN_TRY(put_title(r, out));
    QN_TRY(qn_buf_puts(out, " · quern report</title>\n<style>\n"));
    QN_TRY(qn_plot_css(out));
    QN_TRY(qn_buf_puts(out, page_css));
    return qn_buf_puts(out, "</style>\n</head>\n<body>\n<main>\n");
}

/* "quern train pretrain · done · 2026-11-27 07:45 UTC" */
static int put_about(const qn_report_run *run, qn_buf *out) {
    QN_TRY(qn_buf_puts(out, "<p class=\"about\">quern "));
    QN_TRY(qn_xml_z(out, run->what));
    QN_TRY(qn_buf_puts(out, " · "));
    QN_TRY(qn_xml_z(out, run->state));
    if (strlen(run->started) >= 16) {
        QN_TRY(qn_buf_puts(out, " · begun "));
        QN_TRY(qn_xml(out, (qn_str){run->started, 10}));
        QN_TRY(qn_buf_puts(out, " "));
        QN_TRY(qn_xml(out, (qn_str){run->started + 11, 5}));
        QN_TRY(qn_buf_puts(out, " UTC"));
    }
    return qn_buf_puts(out, "</p>\n");
}

/* Of several runs, the first is what the rest is about. */
static int put_several(const qn_report *r, qn_buf *out) {
    if (r->n == 1)
        return 0;
    QN_TRY(qn_buf_puts(out, "<p class=\"about\">Where nothing else is said, this page is about "));
    QN_TRY(qn_xml_z(out, r->run[0].name));
    return qn_buf_puts(out, "; the others are set beside it.</p>\n");
}

static int put_remarks(const qn_report *r, qn_buf *out) {
    bool any = false;
    for (size_t i = 0; i < r->n; i++)
        for (size_t k = 0; k < r->run[i].remarks; k++) {
            QN_TRY(any ? 0 : qn_buf_puts(out, "<ul class=\"remarks\">\n"));
            any = true;
            QN_TRY(qn_buf_puts(out, "<li>"));
            if (r->n > 1) {
                QN_TRY(qn_xml_z(out, r->run[i].name));
                QN_TRY(qn_buf_puts(out, ": "));
            }
            QN_TRY(qn_xml_z(out, r->run[i].remark[k]));
            QN_TRY(qn_buf_puts(out, "</li>\n"));
        }
    return any ? qn_buf_puts(out, "</ul>\n") : 0;
}

static int put_tiles(const qn_report_run *run, qn_buf *out) {
    qn_report_tile tile[QN_TILES];
    size_t n;
    int rc = qn_report_tiles(run, tile, &n);
    if (rc >= 0 && n)
        rc = qn_buf_puts(out, "<div class=\"tiles\">\n");
    for (size_t i = 0; i < n && rc >= 0; i++) {
        rc = qn_buf_printf(out, "<div class=\"tile\"><div>%s</div><b>%s</b><div>", tile[i].label, tile[i].value);
        if (rc >= 0)
            rc = qn_xml(out, qn_buf_view(&tile[i].note));
        if (rc >= 0)
            rc = qn_buf_puts(out, "</div></div>\n");
    }
    if (rc >= 0 && n)
        rc = qn_buf_puts(out, "</div>\n");
    qn_report_tiles_drop(tile);
    return rc;
}

static int put_intro(const qn_report *r, qn_buf *out) {
    qn_buf words = {0};
    int rc;
    QN_TRY(qn_buf_puts(out, "<h1>Report on "));
    QN_TRY(put_title(r, out));
    QN_TRY(qn_buf_puts(out, "</h1>\n<p class=\"intro\">"));
    rc = qn_report_sentence(&words, &r->run[0]);
    if (rc >= 0)
        rc = qn_xml(out, qn_buf_view(&words));
    qn_buf_drop(&words);
    QN_TRY(rc);
    QN_TRY(qn_buf_puts(out, "</p>\n"));
    QN_TRY(put_about(&r->run[0], out));
    QN_TRY(put_several(r, out));
    QN_TRY(put_remarks(r, out));
    return put_tiles(&r->run[0], out);
}

static bool any_tasks(const qn_report *r) {
    for (size_t i = 0; i < r->n; i++)
        if (r->run[i].tasks)
            return true;
    return false;
}

static bool any_judged(const qn_report *r) {
    for (size_t i = 0; i < r->n; i++)
        if (r->run[i].judged.n)
            return true;
    return false;
}

static int put_figures(const qn_report *r, qn_sink *s) {
    QN_TRY(qn_show_heading(s, "Learning"));
    QN_TRY(qn_figure_loss(r, s));
    if (any_judged(r)) {
        QN_TRY(qn_show_heading(s, "What is preferred"));
        QN_TRY(qn_show_grid(s, true));
        QN_TRY(qn_figures_judged(r, s));
        QN_TRY(qn_show_grid(s, false));
    }
    QN_TRY(qn_figure_asked(r, s));
    if (any_tasks(r)) {
        QN_TRY(qn_show_heading(s, "What it knows"));
        QN_TRY(qn_figure_eval(r, s));
        QN_TRY(qn_table_eval(r, s->out));
    }
    if (r->aligned) {
        QN_TRY(qn_show_heading(s, "Alignment"));
        QN_TRY(qn_figure_align(r, s));
        QN_TRY(qn_figure_sweep(r, s));
        QN_TRY(qn_show_grid(s, true));
        QN_TRY(qn_figures_frontier(r, s));
        QN_TRY(qn_show_grid(s, false));
        QN_TRY(qn_table_align(r, s->out));
    }
    if (r->run[0].kinds) {
        QN_TRY(qn_show_heading(s, "Bits by kind, against the floor"));
        QN_TRY(qn_show_grid(s, true));
        QN_TRY(qn_figures_bits(r, s));
        QN_TRY(qn_show_grid(s, false));
    }
    QN_TRY(qn_table_samples(r, s->out));
    QN_TRY(qn_show_heading(s, "The course of it"));
    QN_TRY(qn_show_grid(s, true));
    QN_TRY(qn_figures_course(r, s));
    return qn_show_grid(s, false);
}

int qn_report_html(const qn_report *r, qn_buf *out) {
    qn_sink s = {.out = out};
    qn_assert(r->n > 0);
    QN_TRY(put_head(r, out));
    QN_TRY(put_intro(r, out));
    QN_TRY(qn_table_runs(r, out));
    if (r->run[0].metrics.n)
        QN_TRY(put_figures(r, &s));
    QN_TRY(qn_table_data(r, out));
    QN_TRY(qn_table_machine(r, out));
    QN_TRY(qn_table_recipe(r, out));
    QN_TRY(qn_table_again(r, out));
    QN_TRY(qn_buf_puts(out, "<footer>Made by quern report: one file, nothing is fetched.</footer>\n</main>\n"));
    QN_TRY(qn_buf_puts(out, "<script>\n"));
    QN_TRY(qn_plot_script(out));
    return qn_buf_puts(out, "</script>\n</body>\n</html>\n");
}
