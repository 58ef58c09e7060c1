/* cli/commands.c — the verbs: the table out of cmd_list.inc, and finding one by its one or two words. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

const qn_cmd *const qn_commands[] = {
#define QN_CMD(name) &qn_cmd_##name,
#include "cli/cmd_list.inc"
#undef QN_CMD
    NULL
};

/* Two words win over one, so that `bench kernels` is not the model "kernels". */
const qn_cmd *qn_cmd_find(const char *first, const char *second, int *words) {
    const qn_cmd *one = NULL;
    size_t n = strlen(first);
    for (const qn_cmd *const *at = qn_commands; *at; at++) {
        const char *name = (*at)->name;
        if (strcmp(name, first) == 0)
            one = *at;
        if (second && strncmp(name, first, n) == 0 && name[n] == ' ' && strcmp(name + n + 1, second) == 0) {
            *words = 2;
            return *at;
        }
    }
    *words = 1;
    return one;
}

bool qn_cmd_is_group(const char *first) {
    const size_t n = strlen(first);
    for (const qn_cmd *const *at = qn_commands; *at; at++)
        if (strncmp((*at)->name, first, n) == 0 && (*at)->name[n] == ' ')
            return true;
    return false;
}

/* `quern eval` or `quern eval pqr`: the verbs that begin with this word, as the message; 0 if there are none. */
static int unknown_second(const char *first) {
    size_t n = strlen(first);
    qn_buf names = {0};
    int rc = 0;
    for (const qn_cmd *const *at = qn_commands; *at; at++)
        if (strncmp((*at)->name, first, n) == 0 && (*at)->name[n] == ' ')
            QN_TRY_OUT(qn_buf_printf(&names, "%squern %s", names.n ? ", " : "", (*at)->name));
    if (names.n)
        rc = qn_fail(QN_EUSAGE, "`quern %s` needs a second word: %s", first, names.s);
out:
    qn_buf_drop(&names);
    return rc;
}

int qn_cmd_unknown(const char *name, const char *second) {
    const char *names[256];
    size_t n = 0;
    char both[128];
    QN_TRY(unknown_second(name));
    for (const qn_cmd *const *at = qn_commands; *at && n < QN_LEN(names); at++)
        names[n++] = (*at)->name;
    snprintf(both, sizeof both, "%s%s%s", name, second ? " " : "", second ? second : "");
    const char *near = qn_nearest(name, names, n);
    near = near ? near : qn_nearest(both, names, n);
    return near ? qn_fail(QN_EUSAGE, "no command \"%s\"; did you mean `quern %s`?", name, near)
                : qn_fail(QN_EUSAGE, "no command \"%s\"", name);
}

/* "MODEL [TEXT]" is 1 to 2, "FILE..." is 1 to any number, "" is none. */
void qn_cmd_arity(const qn_cmd *cmd, size_t *least, size_t *most) {
    *least = *most = 0;
    for (const char *at = cmd->args; *at;) {
        size_t n = strcspn(at, " ");
        bool many = memmem(at, n, "...", 3) != NULL;
        *least += at[0] != '[';
        *most = many || *most == SIZE_MAX ? SIZE_MAX : *most + 1;
        at += n + strspn(at + n, " ");
    }
}
