/* cli/check_examples.h — `quern data check` of examples to tune with: which tokens are taught, and what is lost. */
#ifndef QN_CLI_CHECK_EXAMPLES_H
#define QN_CLI_CHECK_EXAMPLES_H

#include "cli/cli.h"

/* Are these files of examples? A prepared folder, a text, and JSON lines of texts are not. meant: somebody says so, and
 * JSON of no form that is known is one, too, for qn_check_examples to refuse. */
int qn_check_is_examples(const char *const *path, size_t n, bool meant, bool *is);
/* `model` names the template and the tokenizer. */
int qn_check_examples(qn_cli *c, const char *const *path, size_t n, const char *model, bool color);

#endif
