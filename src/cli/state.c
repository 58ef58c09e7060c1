/* cli/state.c — files of ours that outlive a command, where the XDG base directory specification wants them. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"

/* mkdir -p: each prefix of the path that ends before a slash, and the path itself. */
static int make_dirs(char *path) {
    for (char *at = path + 1;; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        char was = *at;
        *at = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return qn_fail(QN_EIO, "cannot make the directory %s: %s", path, strerror(errno));
        *at = was;
        if (!was)
            return 0;
    }
}

int qn_cli_state_path(const qn_cli *c, const char *name, qn_buf *path) {
    qn_buf_clear(path);
    /* The specification asks to ignore a relative path. */
    if (c->env.state_home && c->env.state_home[0] == '/')
        QN_TRY(qn_buf_printf(path, "%s/quern", c->env.state_home));
    else if (c->env.home && c->env.home[0] == '/')
        QN_TRY(qn_buf_printf(path, "%s/.local/state/quern", c->env.home));
    else
        return qn_fail(QN_ENOTFOUND, "neither XDG_STATE_HOME nor HOME is set: there is no place for \"%s\"", name);
    QN_TRY(make_dirs(path->s));
    return qn_buf_printf(path, "/%s", name);
}
