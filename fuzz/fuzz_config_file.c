/* fuzz/fuzz_config_file.c — any bytes as a file of options. What is understood goes through a manifest's JSON and back,
 * and must come out the same. */
#include <stdint.h>
#include <string.h>

#include "cli/cli.h"

static const qn_opt opts[] = {
    QN_OPT_INT("n", "tokens", "128", 1, 1e6, "how many"),
    QN_OPT_FLOAT("", "learning-rate", NULL, -1, 1, "how fast"),
    QN_OPT_STRING("", "name", NULL, "NAME", "what it is called"),
    QN_OPT_ENUM("", "arch", "llama", "llama|gpt2", "which family"),
    QN_OPT_LIST("", "stop", "TEXT", "where to stop"),
    QN_OPT_COUNT("", "params", NULL, 1, 1e12, "how large"),
    QN_OPT_DURATION("", "time", NULL, 0, 86400, "how long"),
    QN_OPT_FLAG("", "tied", "one matrix for both"),
    QN_OPT_CONFIG,
    QN_OPT_END
};
static int nothing(qn_cli *c) { return c->out_fd < 0 ? QN_EIO : 0; }
static const qn_cmd make = {"make", "", "makes", opts, NULL, nothing, NULL};

static void begin(qn_cli *c) {
    qn_cli_init(c, (qn_cli_env){0});
    qn_assert(qn_cli_parse_as(c, &make, 0, NULL) == 0);
}

static void put(const qn_cli *c, qn_buf *text) {
    qn_jw w;
    qn_jw_init(&w, text, 0);
    qn_jw_open(&w, '{');
    qn_assert(qn_cli_put_options(c, &w) == 0);
    qn_jw_close(&w);
    qn_assert(qn_jw_end(&w) == 0);
}

static void there_and_back(const qn_cli *c) {
    qn_buf first = {0}, second = {0};
    qn_cli again;
    put(c, &first);
    begin(&again);
    qn_assert(qn_cli_take_options(&again, qn_buf_view(&first), "fuzz.json") == 0);
    put(&again, &second);
    qn_assert(qn_str_eq(qn_buf_view(&first), qn_buf_view(&second)));
    qn_cli_drop(&again);
    qn_buf_drop(&first);
    qn_buf_drop(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    qn_cli c;
    begin(&c);
    if (qn_cli_config_text(&c, "fuzz.yaml", (qn_str){(const char *)data, size}) == 0)
        there_and_back(&c);
    else
        qn_assert(strncmp(qn_error_message(), "fuzz.yaml:", 10) == 0);
    qn_cli_drop(&c);
    return 0;
}
