/* base/err.h — one list of errors: code, name, what it means, exit code of the command.
 *
 * A function that can fail returns int: 0, or one of these. The message stays in a thread-local buffer until the
 * next failure on the same thread:
 *
 *     return qn_fail(QN_EFORMAT, "tensor %s: …", name);
 *     QN_TRY(qn_open_something(&x));           // forwards the error; nothing to clean up yet
 *     QN_TRY_OUT(qn_read_something(x));        // stores it in `rc` and goes to `out:`
 *
 * Say the file, the place, what was expected and what to do. */
#ifndef QN_BASE_ERR_H
#define QN_BASE_ERR_H

#include "base/compiler.h"

#define QN_ERROR_LIST(X)                                                                  \
    X(QN_EINVAL, -1, 2, "invalid argument")                                               \
    X(QN_EUSAGE, -2, 2, "wrong use of the command")                                       \
    X(QN_EIO, -3, 3, "input/output error")                                                \
    X(QN_ENOTFOUND, -4, 4, "not found")                                                   \
    X(QN_ETRUNC, -5, 5, "file ends too early")                                            \
    X(QN_EFORMAT, -6, 5, "malformed file")                                                \
    X(QN_EUNSUPPORTED, -7, 6, "not supported")                                            \
    X(QN_ESHAPE, -8, 5, "shapes disagree")                                                \
    X(QN_ENOMEM, -9, 7, "out of memory")                                                  \
    X(QN_ECONTEXT, -10, 8, "longer than the context")                                     \
    X(QN_EUTF8, -11, 9, "invalid UTF-8")                                                  \
    X(QN_ELIMIT, -12, 10, "a limit was reached")                                          \
    X(QN_ESTALE, -13, 11, "the session is older than the weights")                        \
    X(QN_ECANCEL, -14, 130, "cancelled")                                                  \
    X(QN_ETEMPLATE, -15, 12, "chat template failed")                                      \
    X(QN_ETEST, -16, 1, "self-test failed")                                               \
    X(QN_EDIFFER, -17, 13, "two models differ beyond the limits")

#define QN_ERROR_ENUM(name, code, exit_code, text) name = code,
enum { QN_OK = 0, QN_ERROR_LIST(QN_ERROR_ENUM) };
#undef QN_ERROR_ENUM

/* Records the message (printf style) and returns `code`. It is cut at 1023 bytes, between characters; control codes but
 * newline and tab become '?', so that names from strangers' files are safe to print. */
QN_PRINTF(2, 3) int qn_fail(int code, const char *fmt, ...);
/* Puts "context: " in front of the current message and returns `code` unchanged. */
QN_PRINTF(2, 3) int qn_fail_in(int code, const char *fmt, ...);

const char *qn_error_message(void);    /* of the last failure on this thread; "" if none */
void qn_error_clear(void);
const char *qn_error_name(int code);   /* "QN_EFORMAT" */
const char *qn_error_text(int code);   /* "malformed file" */
int qn_error_exit(int code);           /* exit code of the command; 0 for 0 */

#define QN_TRY(expr)                      \
    do {                                  \
        int qn_try_rc_ = (expr);          \
        if (qn_try_rc_ < 0)               \
            return qn_try_rc_;            \
    } while (0)
#define QN_TRY_OUT(expr)                  \
    do {                                  \
        rc = (expr);                      \
        if (rc < 0)                       \
            goto out;                     \
    } while (0)

#endif
