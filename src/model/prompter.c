/* model/prompter.c — a template out of a MODEL, whichever file holds it. */
#include "model/prompter.h"

int qn_prompter_open(qn_prompter *p, const qn_source *s, const char *name, const qn_tok *tok) {
    int64_t end[QN_MAX_EOS], n = 0;
    qn_str text = {0};
    const int found = qn_source_chat_template(s, &text);
    QN_TRY(found);
    QN_TRY(qn_prompter_init(p, found > 0 ? text : (qn_str){0}, name ? name : qn_source_path(s), tok));
    if (!tok || qn_source_ends(s, end, &n) < 0)
        return 0;                       /* a family that is not known: its names have to do */
    for (int64_t i = 0; i < n; i++)
        qn_prompter_end(p, (int32_t)end[i]);
    return 0;
}
