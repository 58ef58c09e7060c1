/* base/err.c — the thread's last failure, and the tables behind the error list. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_SIZE 1024

static _Thread_local char message[MESSAGE_SIZE];

/* Names and strings from files end up in messages, and messages on terminals: no control codes get through. */
static void defuse(char *s) {
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
            *s = '?';
    }
}

/* Ends s after n bytes, or a little earlier where that would split a UTF-8 character. */
static void cut(char *s, size_t n) {
    size_t tails = 0;
    while (tails < 3 && tails < n && ((unsigned char)s[n - 1 - tails] & 0xc0) == 0x80)
        tails++;
    size_t lead = n > tails ? n - 1 - tails : 0;
    unsigned char c = (unsigned char)s[lead];
    size_t whole = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
    s[whole > tails + 1 ? lead : n] = 0;
}

/* Formats aside first: the arguments may point into `message` itself. */
QN_PRINTF(2, 0) static void format(char out[MESSAGE_SIZE], const char *fmt, va_list args) {
    int n = vsnprintf(out, MESSAGE_SIZE, fmt, args);
    if (n < 0)
        snprintf(out, MESSAGE_SIZE, "(a message that cannot be formatted)");
    else if (n >= MESSAGE_SIZE)
        cut(out, MESSAGE_SIZE - 1);
    defuse(out);
}

int qn_fail(int code, const char *fmt, ...) {
    char text[MESSAGE_SIZE];
    va_list args;
    va_start(args, fmt);
    format(text, fmt, args);
    va_end(args);
    memcpy(message, text, sizeof message);
    return code;
}

int qn_fail_in(int code, const char *fmt, ...) {
    char context[MESSAGE_SIZE], text[MESSAGE_SIZE];
    va_list args;
    va_start(args, fmt);
    format(context, fmt, args);
    va_end(args);
    memcpy(text, message, sizeof text);
    size_t n = strlen(context), room = MESSAGE_SIZE - 1;
    size_t sep = QN_MIN((size_t)2, room - n), rest = QN_MIN(strlen(text), room - n - sep);
    memcpy(message, context, n);
    memcpy(message + n, ": ", sep);
    memcpy(message + n + sep, text, rest);
    message[n + sep + rest] = 0;
    if (rest < strlen(text))
        cut(message, n + sep + rest);
    return code;
}

const char *qn_error_message(void) {
    return message;
}

void qn_error_clear(void) {
    message[0] = 0;
}

const char *qn_error_name(int code) {
    switch (code) {
#define NAME(name, number, exit_code, text) case name: return #name;
    QN_ERROR_LIST(NAME)
#undef NAME
    case QN_OK: return "QN_OK";
    default: return "QN_E?";
    }
}

const char *qn_error_text(int code) {
    switch (code) {
#define TEXT(name, number, exit_code, text) case name: return text;
    QN_ERROR_LIST(TEXT)
#undef TEXT
    case QN_OK: return "no error";
    default: return "unknown error";
    }
}

int qn_error_exit(int code) {
    switch (code) {
#define EXIT(name, number, exit_code, text) case name: return exit_code;
    QN_ERROR_LIST(EXIT)
#undef EXIT
    default: return code >= 0 ? 0 : 1;
    }
}

_Noreturn void qn_assert_failed(const char *cond, const char *file, int line) {
    fprintf(stderr, "quern: %s:%d: a bug in quern: (%s) does not hold\n", file, line, cond);
    abort();
}
