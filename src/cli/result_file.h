/* cli/result_file.h — files that an option names for a result: looked at before the work, not after it.
 *
 *     QN_TRY(qn_result_file_check(qn_cli_str(c, "out"), "a result of an evaluation", qn_is_eval_file, force));
 *     … an hour …
 *     QN_TRY(qn_write_file(…)); */
#ifndef QN_CLI_RESULT_FILE_H
#define QN_CLI_RESULT_FILE_H

#include "base/base.h"

/* By the first bytes of a file, NUL-terminated. */
typedef bool qn_is_ours_fn(const char *head);
qn_is_ours_fn qn_is_eval_file, qn_is_bits_file, qn_is_items_file, qn_is_report_file;

/* Can a file be made at `path` (NULL: none was asked for)? One that stands there and is not empty must be `what`, or
 * `force` says that it may go. QN_EIO, QN_ENOTFOUND: it cannot be made; QN_EINVAL: it is something else. */
int qn_result_file_check(const char *path, const char *what, qn_is_ours_fn *ours, bool force);

#define QN_OPT_REPLACE QN_OPT_FLAG("", "force", "replace the file of --out though it is none of quern's")

#endif
