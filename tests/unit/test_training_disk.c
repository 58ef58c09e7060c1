/* tests/unit/test_training_disk.c — a disk that is full, or fills up on the way, as whoever runs the command meets it:
 * nothing is begun that cannot be saved, and what stops half way says how it goes on, and does, to the same bits. */
/* full: WHOLE=1 */
#include "test.h"

#include <unistd.h>

#include "base/dir.h"
#include "base/file.h"
#include "cli/within.h"

static int command(const char *words) {
    static const char *const outer[] = {"--threads", "1", "--quiet"};
    qn_buf out = {0};
    qn_command w = {0};
    qn_cli c;
    qn_cli_init(&c, (qn_cli_env){0});
    CHECK_OK(qn_cli_parse_as(&c, &qn_cmd_version, QN_LEN(outer), outer));
    CHECK_OK(qn_command_add_words(&w, "%s", words));
    const int rc = qn_within_run(&c, &w, &out);
    qn_command_drop(&w);
    qn_buf_drop(&out);
    qn_cli_drop(&c);
    return rc;
}

#define TRAIN "train pretrain --data data --layers 1 --dim 16 --heads 1 --ff 32 --context 16 --batch 2 --steps 4 " \
              "--eval-every 2 --eval-rows 2 --checkpoint-every 2 --sample-every 0"

/* The temporary folder is where we are from here on; data and tokenizer stand there. */
static void prepare(void) {
    qn_buf lines = {0};
    if (qn_is_dir("data") && qn_is_dir("tok"))
        return;
    CHECK(chdir(qn_test_temp_dir()) == 0);
    for (int i = 0; i < 60; i++)
        CHECK_OK(qn_buf_printf(&lines, "{\"text\": \"the miller of brook %d turns the stone\"}\n", i));
    qn_test_write("corpus.jsonl", lines.s, lines.n);
    qn_buf_drop(&lines);
    CHECK_OK(command("train tokenizer corpus.jsonl --kind byte --out tok"));
    CHECK_OK(command("data prepare corpus.jsonl --tokenizer tok --validation 10% --out data"));
}

TEST(a_checkpoint_must_fit_before_anything_is_begun) {
    prepare();
    qn_dir_room_is(1000);
    CHECK_FAIL(command(TRAIN " --out run"), QN_EIO, "run: a checkpoint of this run takes 0.1 MB, that disk has 0.0 MB "
               "left; make room, or choose another folder");
    CHECK(!qn_is_dir("run"));
    qn_dir_room_is(100000);                     /* for one, and not for all: that is a warning */
    CHECK_OK(command(TRAIN " --out run"));
    qn_dir_room_is(1000);
    CHECK_OK(command("train resume run"));      /* it is over: nothing is to be written */
    qn_dir_room_is(-1);
    CHECK_OK(qn_dir_remove("run"));
}

static void check_same(const char *a, const char *b) {
    qn_buf x = {0}, y = {0};
    CHECK_OK(qn_read_file(&x, a, (size_t)1 << 20));
    CHECK_OK(qn_read_file(&y, b, (size_t)1 << 20));
    CHECK(x.n == y.n && memcmp(x.s, y.s, x.n) == 0, "%s and %s differ", a, b);
    qn_buf_drop(&x);
    qn_buf_drop(&y);
}

/* One write of a run after the other meets a full disk, and the next does not; each seventh where time is short. */
TEST(where_the_disk_fills_up_a_run_says_how_it_goes_on) {
    const int step = qn_test_whole() ? 1 : 7;
    int n, begun = 0, stood = 0;
    prepare();
    CHECK_OK(command(TRAIN " --out whole"));
    for (n = 0;; n += step) {
        CHECK_OK(qn_dir_remove("run"));
        qn_file_fail_after(n);
        const int rc = command(TRAIN " --out run");
        qn_file_fail_after(-1);
        if (rc == 0)
            break;
        CHECK_INT(rc, QN_EIO, "write %d", n);
        if (!qn_is_file("run/manifest.json")) {
            CHECK(!qn_is_dir("run"), "write %d left something of a run that never began", n);
            continue;
        }
        begun++;
        stood += strstr(qn_error_message(), "; run/last stands; `quern train resume run`") != NULL;
        CHECK_CONTAINS(qn_error_message(), "`quern train resume run` goes on there once this is mended");
        CHECK_OK(command("train resume run"), "write %d", n);
        check_same("whole/last/model.safetensors", "run/last/model.safetensors");
        check_same("whole/best/model.safetensors", "run/best/model.safetensors");
    }
    CHECK(begun * step > 15 && stood * step > 5 && stood < begun, "%d writes, %d of runs, %d behind a checkpoint", n,
          begun, stood);
    CHECK_OK(qn_dir_remove("run"));
    CHECK_OK(qn_dir_remove("whole"));
}
