/* cli/result_file.c — whose file is it, by its first bytes? */
#include "cli/result_file.h"

#include <string.h>

#include "base/file.h"

enum { HEAD = 8192 };       /* a page's title names all its runs */

bool qn_is_eval_file(const char *head) { return head[0] == '{' && strstr(head, "\"quern-eval-1\""); }
bool qn_is_bits_file(const char *head) { return head[0] == '{' && strstr(head, "\"unit\": \"bits per byte\""); }

/* A task file begins alike, but its first line is no item. */
bool qn_is_items_file(const char *head) {
    const char *id = strstr(head, "\"id\":"), *end = strchr(head, '\n');
    return strncmp(head, "{\"task\":", 8) == 0 && id && (!end || id < end);
}

bool qn_is_report_file(const char *head) {
    return strncmp(head, "<!DOCTYPE html>", 15) == 0 && strstr(head, "quern report</title>");
}

static int check_contents(const char *path, const char *what, qn_is_ours_fn *ours) {
    char head[HEAD + 1];
    qn_map_file map;
    QN_TRY(qn_map_open(&map, path));
    const size_t n = QN_MIN(map.n, (size_t)HEAD);
    memcpy(head, map.s, n);
    head[n] = '\0';
    const bool fine = n == 0 || ours(head);
    qn_map_close(&map);
    return fine ? 0 : qn_fail(QN_EINVAL, "%s: is there already and is not %s; name another file, or replace it with "
                              "--force", path, what);
}

int qn_result_file_check(const char *path, const char *what, qn_is_ours_fn *ours, bool force) {
    qn_out_file f;
    if (!path)
        return 0;
    if (path[0] == '\0')
        return qn_fail(QN_EUSAGE, "an empty name for %s; say which file", what);
    QN_TRY(qn_out_open(&f, path));
    qn_out_drop(&f);
    return force || !qn_is_file(path) ? 0 : check_contents(path, what, ours);
}
