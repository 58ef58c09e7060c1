/* cli/options.h — inside the room: options as a table entry and its value, for those who set them.
 *
 *     argv           options.c       \
 *     FILE.yaml      config_file.c    >  option_values.c: one value checked and set, the same way for all
 *     a manifest     option_json.c   / */
#ifndef QN_CLI_OPTIONS_H
#define QN_CLI_OPTIONS_H

#include "cli/cli.h"

typedef struct { const qn_opt *opt; qn_cli_value *value; } qn_opt_found;        /* opt NULL: there is none */

size_t qn_opt_count(const qn_opt *opts);                /* NULL has none */
qn_opt_found qn_opt_find(const qn_cli *c, const char *name, size_t n);
/* QN_EUSAGE for a word that is no option, with a suggestion. */
int qn_opt_unknown(const qn_cli *c, const char *word);
/* The index of text among "a|b|c", or -1. */
int qn_opt_choice(const char *choices, const char *text);
/* One value as a user writes it; a list grows by it. Borrows the text. QN_EUSAGE. */
int qn_opt_set(const qn_opt *o, qn_cli_value *v, const char *text);
/* The whole option from a file: n texts for a list, one for the others, "true" or "false" for a flag. They are checked
 * in any case, copied, and taken unless the command line has the option. `given` as the user's own words count. */
int qn_opt_give(qn_cli *c, qn_opt_found f, const char *const *text, size_t n, bool given);

#endif
