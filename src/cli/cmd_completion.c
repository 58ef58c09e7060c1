/* cli/cmd_completion.c — `quern completion`: what a shell needs to complete quern's verbs, options and their words.
 *
 * The first word of the line decides: a verb of two words ("eval ppl") offers its second word beside its options. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static const char *const shells[] = {"bash", "zsh", "fish"};

static const char *const examples[] = {
    "quern completion bash > ~/.local/share/bash-completion/completions/quern",
    "quern completion zsh > ~/.zfunc/_quern",
    "quern completion fish > ~/.config/fish/completions/quern.fish",
    NULL
};

static size_t first_word(const qn_cmd *cmd) { return strcspn(cmd->name, " "); }

/* Is this the first verb that begins with its word? Then its word is offered. */
static bool opens_group(const qn_cmd *const *at) {
    for (const qn_cmd *const *before = qn_commands; before < at; before++)
        if (first_word(*before) == first_word(*at) && memcmp((*before)->name, (*at)->name, first_word(*at)) == 0)
            return false;
    return true;
}

static bool same_group(const qn_cmd *a, const qn_cmd *b) {
    return first_word(a) == first_word(b) && memcmp(a->name, b->name, first_word(a)) == 0;
}

/* ---- bash and zsh: one `case` by the first word ----------------------------------------------------------------- */

static int put_names(qn_cli *c, const qn_opt *opts) {
    for (const qn_opt *o = opts; o && o->kind != QN_KIND_NONE; o++) {
        QN_TRY(qn_out_printf(c, " --%s", o->name));
        if (o->brief[0])
            QN_TRY(qn_out_printf(c, " -%s", o->brief));
    }
    return 0;
}

/* "eval) offers="ppl --ctx …";;" */
static int put_case(qn_cli *c, const qn_cmd *const *group) {
    QN_TRY(qn_out_printf(c, "    %.*s) offers=\"", (int)first_word(*group), (*group)->name));
    for (const qn_cmd *const *at = group; *at; at++) {
        if (!same_group(*at, *group))
            continue;
        QN_TRY(qn_out_printf(c, "%s", (*at)->name + first_word(*at)));
        QN_TRY(put_names(c, (*at)->opts));
    }
    QN_TRY(put_names(c, qn_global_opts));
    return qn_out_puts(c, "\";;\n");
}

static int put_verbs(qn_cli *c) {
    for (const qn_cmd *const *at = qn_commands; *at; at++)
        if (opens_group(at))
            QN_TRY(qn_out_printf(c, "%.*s ", (int)first_word(*at), (*at)->name));
    return qn_out_puts(c, "help");
}

/* "--isa) offers="scalar avx2 …";;" for the options that take one of several words. */
static int put_choices(qn_cli *c, const qn_opt *opts) {
    for (const qn_opt *o = opts; o && o->kind != QN_KIND_NONE; o++) {
        if (o->kind != QN_KIND_ENUM)
            continue;
        QN_TRY(qn_out_printf(c, "    --%s) offers=\"", o->name));
        for (const char *at = o->value; *at; at++)
            QN_TRY(qn_out_put(c, *at == '|' ? " " : at, 1));
        QN_TRY(qn_out_puts(c, "\";;\n"));
    }
    return 0;
}

static int put_cases(qn_cli *c) {
    for (const qn_cmd *const *at = qn_commands; *at; at++)
        if (opens_group(at))
            QN_TRY(put_case(c, at));
    QN_TRY(qn_out_puts(c, "    *) offers=\""));
    QN_TRY(put_verbs(c));
    QN_TRY(put_names(c, qn_global_opts));
    QN_TRY(qn_out_puts(c, "\";;\n    esac\n    case \"$previous\" in\n"));
    for (const qn_cmd *const *at = qn_commands; *at; at++)
        QN_TRY(put_choices(c, (*at)->opts));
    QN_TRY(put_choices(c, qn_global_opts));
    return qn_out_puts(c, "    esac\n");
}

static int put_bash(qn_cli *c) {
    QN_TRY(qn_out_puts(c, "# bash completion for quern\n"
                          "_quern() {\n"
                          "    local offers current=\"${COMP_WORDS[COMP_CWORD]}\"\n"
                          "    local previous=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
                          "    local verb=\"${COMP_WORDS[1]}\"\n"
                          "    [ \"$COMP_CWORD\" -le 1 ] && verb=\n"
                          "    case \"$verb\" in\n"));
    QN_TRY(put_cases(c));
    return qn_out_puts(c, "    mapfile -t COMPREPLY < <(compgen -W \"$offers\" -- \"$current\")\n"
                          "}\n"
                          "complete -o default -F _quern quern\n");
}

static int put_zsh(qn_cli *c) {
    QN_TRY(qn_out_puts(c, "#compdef quern\n"
                          "# zsh completion for quern\n"
                          "_quern() {\n"
                          "    local verb= previous=\"${words[CURRENT-1]}\"\n"
                          "    (( CURRENT > 2 )) && verb=\"${words[2]}\"\n"
                          "    local offers\n"
                          "    case \"$verb\" in\n"));
    QN_TRY(put_cases(c));
    return qn_out_puts(c, "    compadd -- ${=offers}\n"
                          "    _files\n"
                          "}\n"
                          "if [ \"$funcstack[1]\" = _quern ]; then _quern \"$@\"; else compdef _quern quern; fi\n");
}

/* ---- fish: one line per option ----------------------------------------------------------------------------------- */

/* A text inside single quotes: fish knows \' and \\ there. */
static int put_quoted(qn_cli *c, const char *s) {
    QN_TRY(qn_out_puts(c, "'"));
    for (; *s; s++) {
        if (*s == '\'' || *s == '\\')
            QN_TRY(qn_out_puts(c, "\\"));
        QN_TRY(qn_out_put(c, s, 1));
    }
    return qn_out_puts(c, "'");
}

static int put_fish_options(qn_cli *c, const char *condition, const qn_opt *opts) {
    for (const qn_opt *o = opts; o && o->kind != QN_KIND_NONE; o++) {
        QN_TRY(qn_out_printf(c, "complete -c quern%s -l %s", condition, o->name));
        if (o->brief[0])
            QN_TRY(qn_out_printf(c, " -s %s", o->brief));
        if (o->kind != QN_KIND_FLAG)
            QN_TRY(qn_out_puts(c, o->kind == QN_KIND_FILE ? " -r -F" : " -x"));
        if (o->kind == QN_KIND_ENUM) {
            QN_TRY(qn_out_puts(c, " -a '"));
            for (const char *at = o->value; *at; at++)
                QN_TRY(qn_out_put(c, *at == '|' ? " " : at, 1));
            QN_TRY(qn_out_puts(c, "'"));
        }
        QN_TRY(qn_out_puts(c, " -d "));
        QN_TRY(put_quoted(c, o->help));
        QN_TRY(qn_out_puts(c, "\n"));
    }
    return 0;
}

static int put_fish_verb(qn_cli *c, const qn_cmd *cmd, bool opens) {
    int n = (int)first_word(cmd);
    char condition[128];
    snprintf(condition, sizeof condition, " -n '__fish_seen_subcommand_from %.*s'", n, cmd->name);
    if (opens) {
        QN_TRY(qn_out_printf(c, "complete -c quern -n __fish_use_subcommand -f -a %.*s -d ", n, cmd->name));
        QN_TRY(put_quoted(c, cmd->name[n] ? "" : cmd->about));
        QN_TRY(qn_out_puts(c, "\n"));
    }
    if (cmd->name[n]) {
        QN_TRY(qn_out_printf(c, "complete -c quern%s -a %s -d ", condition, cmd->name + n + 1));
        QN_TRY(put_quoted(c, cmd->about));
        QN_TRY(qn_out_puts(c, "\n"));
    }
    return put_fish_options(c, condition, cmd->opts);
}

static int put_fish(qn_cli *c) {
    QN_TRY(qn_out_puts(c, "# fish completion for quern\n"));
    for (const qn_cmd *const *at = qn_commands; *at; at++)
        QN_TRY(put_fish_verb(c, *at, opens_group(at)));
    return put_fish_options(c, "", qn_global_opts);
}

static int run(qn_cli *c) {
    static int (*const put[])(qn_cli *) = {put_bash, put_zsh, put_fish};
    int shell;
    QN_TRY(qn_cli_word(c, 0, shells, QN_LEN(shells), &shell));
    return put[shell](c);
}

const qn_cmd qn_cmd_completion = {
    "completion", "bash|zsh|fish", "a completion script for your shell", NULL, examples, run, NULL
};
