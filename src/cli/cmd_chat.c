/* cli/cmd_chat.c — `quern chat`: lines in, answers out.
 *
 *   terminal      line editing, history, commands; Ctrl-C stops the answer, Ctrl-D ends
 *   pipe          one turn per line, commands too; only answers are printed, the first error ends
 *   -p TEXT       one turn */
#include <string.h>
#include <unistd.h>

#include "cli/line.h"
#include "cli/talk.h"

static const qn_opt opts[] = {
    QN_OPT_STRING("s", "system", NULL, "TEXT", "the system message; without it the template's own"),
    QN_OPT_STRING("p", "prompt", NULL, "TEXT", "say TEXT, print the answer and end"),
    QN_OPT_FILE("f", "file", NULL, "say what FILE holds, print the answer and end"),
    QN_OPT_INT("n", "tokens", "-1", -1, 16777216, "stop an answer after N tokens; -1: when the context is full"),
    QN_OPTS_SAMPLING,
    QN_OPTS_GRAMMAR,
    QN_OPT_FLAG("", "stats", "at the end, say speed and peak memory"),
    QN_OPTS_MODEL,
    QN_OPTS_SESSION,
    QN_OPTS_DRAFT,
    QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern chat model.gguf",
    "quern chat model/ --system 'Answer in one sentence.' --temp 0",
    "quern chat model.gguf -p 'Why is the sky blue?' --stats",
    "quern chat model.gguf --json < questions.txt > answers.jsonl",
    "quern chat large.gguf --draft small.gguf --draft-tokens 4",
    NULL
};

static const char commands_help[] =
    "/system TEXT   set the system message; without TEXT remove it\n"
    "/reset         forget all but the system message\n"
    "/regen         another answer to the last turn\n"
    "/save FILE     write the conversation as JSON\n"
    "/help          this list\n"
    "/quit          end, as Ctrl-D does; Ctrl-C stops an answer\n"
    "//…            a turn that begins with a slash";

typedef struct {
    qn_cli *c;
    qn_talk t;
    bool terminal;              /* a person types */
    bool quit;
    bool newline;               /* what was printed last ended a line */
    bool thinking;              /* … was a thought, and dim */
} chat;

/* ---- answers ---- */

/* Dim on, and off with an empty line before the words. */
static int turn_thinking(chat *k, bool on) {
    if (k->thinking == on)
        return 0;
    k->thinking = on;
    return qn_out_puts(k->c, on ? "\033[2m" : "\033[0m\n\n");
}

/* A person sees thoughts, dimmed; a pipe gets answers only. */
static int on_text(void *arg, bool thought, qn_str text) {
    chat *k = arg;
    if (qn_cli_json(k->c) || (thought && !k->terminal))
        return 0;
    QN_TRY(turn_thinking(k, thought));
    k->newline = text.s[text.n - 1] == '\n';
    QN_TRY(qn_out_put(k->c, text.s, text.n));
    return qn_out_flush(k->c);
}

static int put_json(chat *k) {
    qn_jw *w = qn_out_json(k->c, 0);
    qn_jw_open(w, '{');
    qn_jw_key(w, "text");
    qn_jw_str(w, qn_talk_answer(&k->t));
    if (qn_talk_thought(&k->t).n) {
        qn_jw_key(w, "reasoning_content");
        qn_jw_str(w, qn_talk_thought(&k->t));
    }
    qn_put_result_json(w, &k->t.m, &k->t.last);
    qn_draft_put_json(w, &k->t.draft, &k->t.last);
    qn_jw_close(w);
    return qn_out_json_end(k->c);
}

/* What a person sees below an answer. */
static void put_speed(const chat *k) {
    const qn_generate_result *r = &k->t.last;
    if (k->terminal)                                    /* the log takes no colours: control codes become '?' there */
        qn_log(QN_LOG_INFO, "%.0f tokens/s, context %lld of %lld%s", qn_decode_rate(r),
               (long long)qn_session_length(k->t.m.session, 0), (long long)qn_session_context(k->t.m.session),
               r->reason == QN_STOP_CALLER ? ", stopped" : r->reason == QN_STOP_LENGTH ? ", cut by --tokens" : "");
}

/* After an attempt to answer: ends the line, says what there is to say. */
static int finish(chat *k, int rc) {
    if (k->thinking)
        qn_out_puts(k->c, "\033[0m");
    k->thinking = false;
    if (!k->newline)
        qn_out_puts(k->c, "\n");
    k->newline = true;
    if (rc < 0) {
        qn_out_flush(k->c);
        return rc;
    }
    if (qn_cli_json(k->c))
        QN_TRY(put_json(k));
    else if (qn_talk_answer(&k->t).n == 0)
        QN_TRY(qn_out_puts(k->c, "\n"));
    QN_TRY(qn_out_flush(k->c));
    qn_warn_context(&k->t.m, &k->t.last);
    qn_draft_say(&k->t.draft, &k->t.last, QN_LOG_DEBUG);
    put_speed(k);
    return k->terminal ? 0 : qn_cancel_check();
}

static int say(chat *k, qn_str text) { return finish(k, qn_talk_say(&k->t, text, on_text, k)); }

/* ---- commands ---- */

static int do_system(chat *k, qn_str text) { return qn_talk_system(&k->t, text); }
static int do_regen(chat *k, qn_str text) { (void)text; return finish(k, qn_talk_again(&k->t, on_text, k)); }
static int do_quit(chat *k, qn_str text) { (void)text; k->quit = true; return 0; }

static int do_reset(chat *k, qn_str text) {
    (void)text;
    qn_talk_reset(&k->t);
    return 0;
}

static int do_save(chat *k, qn_str path) {
    if (path.n == 0)
        return qn_fail(QN_EUSAGE, "/save needs the name of a file");
    const int rc = qn_talk_save(&k->t, path.s);         /* the line's buffer ends with a NUL behind it */
    if (rc >= 0)
        qn_log(QN_LOG_INFO, "saved to %s", path.s);
    if (rc >= 0 || !k->terminal)
        return rc;
    qn_log(QN_LOG_WARN, "%s", qn_error_message());      /* whatever it was: the conversation must not be lost with it */
    return 0;
}

static int do_help(chat *k, qn_str text) {
    (void)k, (void)text;
    qn_log(QN_LOG_INFO, "%s", commands_help);
    return 0;
}

static int command(chat *k, qn_str line) {
    static const struct { const char *name; bool takes; int (*run)(chat *k, qn_str rest); } table[] = {
        {"system", true, do_system}, {"reset", false, do_reset}, {"regen", false, do_regen}, {"save", true, do_save},
        {"help", false, do_help}, {"quit", false, do_quit}, {"exit", false, do_quit},
    };
    const char *names[QN_LEN(table)];
    char word[32];
    const size_t n = QN_MIN(strcspn(line.s, " \t"), sizeof word - 1), gap = n + strspn(line.s + n, " \t");
    memcpy(word, line.s, n);
    word[n] = '\0';
    for (size_t i = 0; i < QN_LEN(table); i++) {
        names[i] = table[i].name;
        if (strcmp(word, table[i].name) != 0)
            continue;
        if (line.s[gap] && !table[i].takes)
            return qn_fail(QN_EUSAGE, "/%s takes nothing behind it", word);
        return table[i].run(k, (qn_str){line.s + gap, line.n - gap});
    }
    const char *near = qn_nearest(word, names, QN_LEN(names));
    return qn_fail(QN_EUSAGE, "no command /%s; %s%s%s (a turn that begins with a slash: //…)", word,
                   near ? "did you mean /" : "/help lists them", near ? near : "", near ? "?" : "");
}

/* One line of input: a command or a turn. */
static int take_line(chat *k, const qn_buf *line) {
    qn_str text = qn_buf_view(line);
    if (text.n == 0 || strspn(text.s, " \t") == text.n)
        return 0;
    if (strlen(text.s) != text.n)
        return qn_fail(QN_EUTF8, "a NUL character in a line of input");
    const bool slash = text.s[0] == '/', two = slash && text.s[1] == '/';
    if (slash)
        text = (qn_str){text.s + 1, text.n - 1};
    return slash && !two ? command(k, text) : say(k, text);
}

/* ---- talking ---- */

/* A person is told and goes on talking; a pipe ends with the error, and so does what cannot get better. */
static int recover(const chat *k, int rc) {
    if (rc >= 0 || !k->terminal || k->c->out_closed || rc == QN_EIO || rc == QN_ENOMEM)
        return rc;
    if (rc == QN_ECANCEL) {
        qn_cancel_reset();
        return qn_cancel_check();
    }
    qn_log(QN_LOG_WARN, "%s", qn_error_message());
    return 0;
}

static int loop(chat *k) {
    qn_line *line = NULL;
    qn_buf text = {0};
    int rc, more;
    QN_TRY(qn_line_open(&line, k->c, "chat_history"));
    while (!k->quit && (more = qn_line_read(line, "> ", &text)) != 0) {
        rc = more > 0 ? take_line(k, &text) : more;
        QN_TRY_OUT(recover(k, rc));
        if (k->terminal)
            qn_cancel_reset();
        QN_TRY_OUT(qn_cancel_check());
    }
    rc = k->terminal && !k->quit ? qn_out_puts(k->c, "\n") : 0;         /* Ctrl-D leaves the prompt's line open */
out:
    qn_line_close(line);
    qn_buf_drop(&text);
    return rc;
}

static int greet(const chat *k) {
    QN_TRY(qn_opened_log(&k->t.m, k->terminal ? QN_LOG_INFO : QN_LOG_DEBUG, NULL));
    if (k->terminal)
        qn_log(QN_LOG_INFO, "/help lists the commands; Ctrl-C stops an answer, Ctrl-D ends");
    return 0;
}

static void put_totals(const chat *k) {
    const qn_talk *t = &k->t;
    const double in = t->prefill_seconds > 0 ? (double)t->prefilled / t->prefill_seconds : 0;
    const double out = t->decode_seconds > 0 ? (double)t->decoded / t->decode_seconds : 0;
    qn_log(qn_cli_flag(k->c, "stats") ? QN_LOG_INFO : QN_LOG_DEBUG,
           "%lld answer%s; prefill %lld tokens, %.0f tokens/s; decode %lld tokens, %.1f tokens/s; loaded in %.2f s; "
           "peak memory %.1f MB", (long long)t->answers, t->answers == 1 ? "" : "s", (long long)t->prefilled, in,
           (long long)t->decoded, out, t->m.load_seconds, (double)qn_cli_peak_bytes() / 1e6);
}

static int talk(chat *k) {
    const char *system = qn_cli_str(k->c, "system");
    qn_text text = {0};
    const bool single = qn_cli_given(k->c, "prompt") || qn_cli_given(k->c, "file");
    int rc;
    if (single)
        QN_TRY(qn_cli_text_opt(k->c, "prompt", &text));
    QN_TRY_OUT(qn_talk_open(&k->t, k->c, qn_cli_arg(k->c, 0)));
    if (system)
        QN_TRY_OUT(qn_talk_system(&k->t, qn_str_of(system)));
    k->terminal = !single && isatty(STDIN_FILENO) == 1;
    QN_TRY_OUT(greet(k));
    rc = single ? say(k, (qn_str){text.s, text.n}) : loop(k);
    put_totals(k);
out:
    qn_text_drop(&text);
    return rc;
}

static int run(qn_cli *c) {
    chat k = {.c = c, .newline = true};
    const int rc = talk(&k);
    qn_talk_drop(&k.t);
    return rc;
}

const qn_cmd qn_cmd_chat = {
    "chat", "MODEL", "talk to a model", opts, examples, run,
    "On a terminal lines are edited and remembered, and lines that begin with / are commands; /help lists them.\n"
    "What a model thinks before it answers (<think>) is dim there, left out elsewhere, and named by --json.\n"
    "When the input is no terminal, each line is a turn and only answers are printed. Sampling: what the model's\n"
    "authors recommend, else temperature 0.7 and top-p 0.95. What a user writes never becomes a control token. A\n"
    "conversation that does not fit into the context is an error; nothing of it is dropped."
};
