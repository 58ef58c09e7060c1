/* Reports: runs read forgivingly, what the numbers say, pages that are well-formed whatever strangers wrote. */
#include "test.h"

#include "report/members.h"
#include "report/report_impl.h"
#include "well_formed.h"

/* ---- runs of the tests' own ---- */

static void put(const char *dir, const char *name, const char *text) {
    char path[1200];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    CHECK_OK(qn_write_file(path, text, strlen(text)));
}

static const char manifest[] =
    "{\"format\": \"quern run 1\", \"state\": \"done\", \"started\": \"2026-01-02T03:04:05Z\","
    "\"what\": \"train pretrain\", \"argv\": [\"train\", \"pretrain\", \"--prompt\", \"it's <b>\"], \"steps\": 4,"
    "\"version\": \"0.1.0\", \"isa\": \"avx2\", \"threads\": 2, \"parameters\": 664192, \"memory_planned\": 80000000,"
    "\"peak_flops_per_second\": 4e10, \"machine\": {\"cpu\": \"A <CPU> & more\", \"cores\": 2, \"memory\": 8e9},"
    "\"recipe\": {\"seed\": 7, \"learning_rate\": %s, \"max_grad_norm\": 1, \"schedule\": \"cosine\"},"
    "\"model\": {\"model_type\": \"llama\", \"num_hidden_layers\": 2, \"hidden_size\": 128, \"quern\": {\"compute\": "
    "\"f32\"}}, \"resumed\": [{\"threads\": 1}, {\"step\": 2}, {\"step\": 2}, {\"step\": 3}, {\"step\": 4}]}";

static const char metrics[] =
    "{\"step\":1,\"loss\":6,\"learning_rate\":0.1,\"grad_norm\":2,\"tokens_per_second\":100,\"flops_per_second\":2e10,"
    "\"num_input_tokens_seen\":200,\"epoch\":0.5}\n"
    "{\"step\":2,\"loss\":5,\"eval_loss\":5.5,\"eval_bits_per_byte\":2.5,\"grad_norm\":1.5,\"tokens_per_second\":200,"
    "\"flops_per_second\":2e10,\"num_input_tokens_seen\":400}\n"
    "{\"step\":3,\"loss\":null,\"grad_norm\":null,\"skipped\":true,\"num_input_tokens_seen\":600,"
    "\"tokens_per_second\":200}\n"
    "{\"step\":4,\"loss\":4,\"eval_loss\":4.5,\"eval_bits_per_byte\":2.25,\"grad_norm\":0.5,\"tokens_per_second\":200,"
    "\"num_input_tokens_seen\":800,\"epoch\":2,\"flops_per_second\":2e10}\n";

/* A fresh folder with a manifest; its path is good until the next but one. */
static const char *run_dir(const char *name, const char *rate) {
    static char dir[2][1100];
    static int which;
    char text[2048], *d = dir[which ^= 1];
    snprintf(d, sizeof *dir, "%s", qn_test_temp(name));
    CHECK_INT(mkdir(d, 0777), 0);
    snprintf(text, sizeof text, manifest, rate);
    put(d, "manifest.json", text);
    return d;
}

static const char *full_run(const char *name) {
    const char *dir = run_dir(name, "0.1");
    put(dir, "metrics.jsonl", metrics);
    put(dir, "samples.jsonl", "{\"step\":2,\"prompt\":\"Once\",\"text\":\" <script>alert(1)</script> & \\u0001\"}\n");
    put(dir, "evaluation.json",
        "{\"tasks\":[{\"name\":\"recall_transfer\",\"metric\":\"acc\",\"n\":400,\"value\":0.84,\"lo\":0.81,\"hi\":0.87,"
        "\"chance\":0.03,\"majority\":null,\"baselines\":{\"5-gram\":{\"value\":0.33,\"lo\":0.3,\"hi\":0.36,"
        "\"groups\":{\"band\":{\"head\":{\"value\":0.4,\"n\":100}}}},"
        "\"untrained\":0.02},\"groups\":{\"band\":{\"head\":{\"value\":0.9,\"n\":100}}},"
        "\"metrics\":{\"acc\":{\"value\":0.84},\"greedy\":{\"value\":0.77,\"n\":400}}},"
        "{\"name\":\"bits\",\"metric\":\"bits_per_byte\",\"value\":1.2},{\"name\":\"broken\"}]}");
    put(dir, "bits.json",
        "{\"unit\":\"bits per byte\",\"floor\":{\"fact <x>\":5,\"grammar\":0.5},\"model\":{\"fact <x>\":5.9,"
        "\"grammar\":0.52},\"steps\":[{\"step\":10,\"seconds\":20,\"kinds\":{\"grammar\":3.5,\"fact <x>\":9}},"
        "{\"step\":20,\"seconds\":40,\"kinds\":{\"grammar\":0.7,\"fact <x>\":8}}]}");
    return dir;
}

/* A run over pairs: the margin grows, and both answers lose. */
static const char *judged_run(const char *name) {
    static char text[4096];
    const char *dir = run_dir(name, "0.1, \"loss_type\": \"sigmoid\"");
    qn_buf lines = {0};
    for (int i = 1; i <= 4; i++) {
        CHECK_OK(qn_buf_printf(&lines, "{\"step\":%d,\"loss\":%g,\"rewards/chosen\":%g,\"rewards/rejected\":%g,"
                               "\"rewards/margins\":%g,\"rewards/accuracies\":%g,\"logps/chosen_moved\":%g,"
                               "\"logps/rejected_moved\":%g,\"lengths/chosen\":36,\"lengths/rejected\":61", i,
                               0.7 - 0.1 * i, -0.1 * i, -0.3 * i, 0.2 * i, 0.5 + 0.1 * i, -1.0 * i, -3.0 * i));
        CHECK_OK(qn_buf_puts(&lines, i % 2 ? "}\n" : ",\"eval_loss\":0.5,\"eval_rewards/margins\":0.25,"
                                                    "\"eval_rewards/accuracies\":0.75}\n"));
    }
    CHECK((size_t)snprintf(text, sizeof text, "%s", lines.s) < sizeof text);
    put(dir, "metrics.jsonl", text);
    qn_buf_drop(&lines);
    return dir;
}

static qn_report *report_of(const char *a, const char *b) {
    qn_report *r;
    CHECK_OK(qn_report_new(&r));
    CHECK_OK(qn_report_add(r, a));
    if (b)
        CHECK_OK(qn_report_add(r, b));
    return r;
}

/* Both forms; the page is checked and left in *page. */
static void make(const qn_report *r, qn_buf *page, qn_buf *text) {
    CHECK_OK(qn_report_html(r, page));
    const char *wrong = well_formed(page->s, true);
    CHECK(!wrong, "%s", wrong ? wrong : "");
    CHECK(!strstr(page->s, "http:") && !strstr(page->s, "https:") && !strstr(page->s, " src="), "nothing is fetched");
    CHECK_OK(qn_report_text(r, text, &(qn_text_plot){.width = 80}));
    for (size_t i = 0; i < text->n; i++)
        CHECK(text->s[i] == '\n' || (text->s[i] >= 0x20 && text->s[i] < 0x7f), "byte %zu: 0x%02x", i,
              (unsigned char)text->s[i]);
}

static void make_and_free(qn_report *r, qn_buf *page, qn_buf *text) {
    qn_buf_clear(page);
    qn_buf_clear(text);
    make(r, page, text);
    qn_report_free(r);
}

/* ---- what it says ---- */

TEST(a_run_in_full) {
    const int64_t before = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    qn_buf page = {0}, text = {0};
    make_and_free(report_of(full_run("full"), NULL), &page, &text);
    CHECK_CONTAINS(page.s, "A llama model of 664k parameters (2 layers, width 128), trained for 800 tokens in 4 steps, "
                   "5 s. Its validation loss went from 5.5 to 4.5.");
    CHECK_CONTAINS(page.s, "Validation loss fell from 5.5 to 4.5, its lowest. Upright");
    CHECK_CONTAINS(page.s, "The median is 1.5, the largest 2 at step 1; 67 % of the steps were clipped to 1.");
    CHECK_CONTAINS(page.s, "The median is 50 % of the 40 GFLOP/s");
    CHECK_CONTAINS(page.s, "<b>84 %</b><div>beside 5-gram 33 %, untrained 2 %, chance 3 %</div>");
    CHECK_CONTAINS(page.s, "On 1 of 1 task the model lies above everything it is set beside, intervals apart.");
    CHECK_CONTAINS(page.s, "Nine tenths of the way to the floor after 40 s; it ends 0.02 bits per byte above it.");
    CHECK_CONTAINS(page.s, "It ends 0.9 bits per byte above it.");
    CHECK_CONTAINS(page.s, "quern train pretrain --prompt &#39;it&#39;\\&#39;&#39;s &lt;b&gt;&#39;");
    CHECK_CONTAINS(page.s, "A &lt;CPU&gt; &amp; more");
    CHECK_CONTAINS(page.s, "&lt;script&gt;alert(1)&lt;/script&gt; &amp; \uFFFD");
    CHECK_CONTAINS(page.s, "1 step has no finite loss");
    CHECK_CONTAINS(page.s, "The guard left out the update of 1 step.");
    CHECK_CONTAINS(page.s, "The prepared data are no longer where they were");
    CHECK_CONTAINS(page.s, "taken up again 5 times");
    CHECK_CONTAINS(page.s, "<td>band head</td><td></td><td class=\"num\">100</td><td class=\"num\">0.9</td><td></td>"
                   "<td></td><td class=\"num\">5-gram 0.4</td>");
    CHECK_CONTAINS(page.s, "<td>greedy</td><td></td><td class=\"num\">400</td><td class=\"num\">0.77</td>");
    CHECK(!strstr(page.s, "<tr class=\"sub\"><td>acc</td>"), "not twice");
    CHECK_CONTAINS(text.s, "recall transfer ");
    CHECK_CONTAINS(text.s, "5-gram 0.33   untrained 0.02   chance 0.03");
    CHECK_CONTAINS(text.s, "Above the floor: fact <x> 0.9, grammar 0.02.");
    CHECK(!strstr(page.s, ">broken<"), "a task without a value is none");
    qn_buf_drop(&page);
    qn_buf_drop(&text);
    CHECK_NO_LEAK(QN_MEM_BASE, before);
}

/* Behind steps 2 and 3; twice behind 2 is one line, and behind the end nothing went on. */
TEST(a_curve_shows_where_a_run_was_taken_up) {
    qn_buf page = {0}, text = {0};
    make_and_free(report_of(full_run("resumed"), NULL), &page, &text);
    CHECK_CONTAINS(page.s, "Upright dotted lines stand where the run was taken up again, behind steps 2 and 3.");
    CHECK_CONTAINS(page.s, "class=\"u\"");
    CHECK_CONTAINS(text.s, ":");
    make_and_free(report_of(full_run("resumed-a"), full_run("resumed-b")), &page, &text);
    CHECK(!strstr(page.s, "class=\"u\""), "of several runs nobody could tell whose line it is");
    qn_buf_drop(&page);
    qn_buf_drop(&text);
}

TEST(a_program_reads_the_summary) {
    static const char *const says[] = {
        "{\"format\":\"quern-report-1\",\"runs\":[{\"name\":\"json\",", "\"state\":\"done\"", "\"parameters\":664192,",
        "\"step\":4,\"tokens\":800,\"epochs\":2,\"seconds\":5,", "\"resumed_behind\":[null,2,2,3,4]",
        "\"eval_loss\":{\"first\":5.5,\"last\":4.5,\"least\":4.5,\"least_step\":4,\"median\":5}",
        "\"name\":\"recall_transfer\",\"metric\":\"acc\",\"n\":400,\"value\":0.84,\"lo\":0.81,\"hi\":0.87,"
        "\"chance\":0.03,\"majority\":null,\"baselines\":{\"5-gram\":{\"value\":0.33,\"lo\":0.3,\"hi\":0.36}",
        "\"unit\":\"bits per byte\",\"kinds\":[{\"name\":\"fact <x>\",\"floor\":5,\"model\":5.9}",
        "\"remarks\":[\"1 step has no finite loss", "\"sample\":{\"step\":2,\"prompt\":\"Once\",",
    };
    qn_report *r = report_of(full_run("json"), run_dir("json-bare", "0.2"));
    qn_buf b = {0};
    qn_jw w;
    qn_jw_init(&w, &b, 0);
    CHECK_OK(qn_report_json(r, &w));
    CHECK_OK(qn_jw_end(&w));
    for (size_t i = 0; i < QN_LEN(says); i++)
        CHECK_CONTAINS(b.s, says[i]);
    const char *bare = strstr(b.s, "\"name\":\"json-bare\"");
    CHECK(bare, "%s", b.s);
    CHECK_CONTAINS(bare, "\"loss\":{\"first\":null,\"last\":null,\"least\":null,\"least_step\":null,\"median\":null}");
    CHECK_CONTAINS(bare, "\"tasks\":[]");
    CHECK_CONTAINS(bare, "\"sample\":null");
    qn_buf_drop(&b);
    qn_report_free(r);
}

TEST(several_runs_are_set_side_by_side) {
    qn_buf page = {0}, text = {0};
    const char *a = full_run("side-a"), *b = run_dir("side-b", "0.2");
    put(b, "metrics.jsonl", "{\"step\":1,\"loss\":6,\"eval_loss\":4.25}\n");
    make_and_free(report_of(a, b), &page, &text);
    CHECK_CONTAINS(page.s, "<h1>Report on side-a, side-b</h1>");
    CHECK_CONTAINS(page.s, "<tr><th>learning_rate</th><td class=\"num\">0.1</td><td class=\"num\">0.2</td></tr>");
    CHECK(!strstr(page.s, "<th>max_grad_norm</th>"), "what is alike is not shown");
    CHECK_CONTAINS(page.s, "The lowest validation loss, 4.25, is that of side-b.");
    CHECK_CONTAINS(page.s, "this page is about side-a");
    qn_buf_drop(&page);
    qn_buf_drop(&text);
}

/* ---- alignment ---- */

static void put_hhh(const char *dir, const char *model, const char *recipe, double refusal, double recall) {
    qn_buf b = {0};
    qn_buf_puts(&b, "{\"format\":\"quern-eval-1\",\"suite\":\"hhh\",\"reference\":0,\"models\":["
                 "{\"name\":\"sft\",\"path\":\"sft/best\",\"rows\":["
                 "{\"name\":\"refuses_rightly\",\"part\":\"harmless\",\"about\":\"refuses what is forbidden\","
                 "\"headline\":true,\"lower_is_better\":false,\"value\":0.5,\"lo\":0.4,\"hi\":0.6,\"chance\":0.5},"
                 "{\"name\":\"refusal\",\"part\":\"harmless\",\"about\":\"  refuses\",\"value\":0},"
                 "{\"name\":\"over_refusal\",\"part\":\"harmless\",\"about\":\"  refuses a look-alike\","
                 "\"lower_is_better\":true,\"value\":0}]},");
    qn_buf_printf(&b, "{\"name\":\"%s\",\"path\":\"%s/best\",\"recipe\":%s,\"rows\":["
                  "{\"name\":\"refuses_rightly\",\"part\":\"harmless\",\"about\":\"refuses what is forbidden\","
                  "\"headline\":true,\"lower_is_better\":false,\"value\":%g,\"lo\":%g,\"hi\":%g,\"chance\":0.5,"
                  "\"difference\":{\"value\":0.25,\"lo\":0.1,\"hi\":0.4}},", model, model, recipe, refusal,
                  refusal - 0.05, refusal + 0.05);
    qn_buf_printf(&b, "{\"name\":\"over_refusal\",\"part\":\"harmless\",\"about\":\"  refuses a look-alike\","
                  "\"headline\":false,\"lower_is_better\":true,\"value\":0.125},"
                  "{\"name\":\"refusal\",\"part\":\"harmless\",\"about\":\"  refuses\",\"value\":0.625},"
                  "{\"name\":\"recall_transfer\",\"part\":\"capability\",\"about\":\"recall\",\"headline\":true,"
                  "\"lower_is_better\":false,\"value\":%g,\"difference\":{\"value\":-0.0625,\"lo\":-0.1,"
                  "\"hi\":-0.02}},{\"name\":\"fact\",\"part\":\"bits\",\"about\":\"bits\",\"headline\":false,"
                  "\"lower_is_better\":true,\"value\":1.25}],\"wins\":{\"all\":{\"rate\":0.75,\"lo\":0.7,\"hi\":0.8}},"
                  "\"length\":{\"bytes\":41.25,\"bytes_reference\":38},"
                  "\"kl\":{\"value\":0.125,\"lo\":0.1,\"hi\":0.15}}]}", recall);
    put(dir, "hhh.json", b.s);
    qn_buf_drop(&b);
}

TEST(alignment_is_a_table_and_a_sweep_is_a_curve) {
    qn_buf page = {0}, text = {0}, json = {0};
    qn_jw w;
    const char *a = full_run("dpo-a"), *b = run_dir("dpo-b", "0.2");
    put_hhh(a, "a", "{\"beta\":0.1,\"mix\":\"60/20/20\"}", 0.75, 0.5);
    make_and_free(report_of(a, NULL), &page, &text);
    CHECK_CONTAINS(page.s, "<h2>Alignment</h2>");
    CHECK_CONTAINS(page.s, "<th class=\"num\">sft</th><th class=\"num\">a</th>");
    CHECK_CONTAINS(page.s, "<td>refuses what is forbidden</td><td class=\"num\">50.0 <small>40.0 to 60.0</small></td>");
    CHECK_CONTAINS(page.s, "refuses a look-alike ↓</td><td class=\"num\">0.0</td><td class=\"num\">12.5</td>");
    CHECK_CONTAINS(page.s, "bytes of an answer (of the reference's)</td><td class=\"num\">–</td>"
                           "<td class=\"num\">41.2 <small>38.0</small></td>");
    CHECK_CONTAINS(page.s, "<h3>Refusal against over-refusal</h3>");
    CHECK_CONTAINS(page.s, "a 0.625");
    CHECK(!strstr(page.s, "<h3>Harmless against capability</h3>"), "recall of one model is no frontier");

    CHECK_CONTAINS(page.s, "<h3>Alignment tax: difference to sft, item by item</h3>");
    CHECK_CONTAINS(page.s, "<td>recall</td><td class=\"num\">–</td>"
                           "<td class=\"num\">-6.2 <small>-10.0 to -2.0</small></td>");
    CHECK_CONTAINS(page.s, "<td>fact ↓</td><td class=\"num\">–</td><td class=\"num\">1.250</td>");
    CHECK_CONTAINS(page.s, "wins by rule, ties half</td><td class=\"num\">–</td><td class=\"num\">75.0");
    CHECK(!strstr(page.s, "Over beta"), "one value is no sweep");
    CHECK_CONTAINS(text.s, "refuses rightly");

    put_hhh(b, "b", "{\"beta\":0.3,\"mix\":\"60/20/20\"}", 0.875, 0.25);
    qn_report *r = report_of(a, b);
    CHECK_INT(r->aligned, 3, "the reference of both files stands once");
    qn_jw_init(&w, &json, 0);
    CHECK_OK(qn_report_json(r, &w));
    CHECK_CONTAINS(json.s, "\"alignment\":[{\"name\":\"sft\"");
    CHECK_CONTAINS(json.s, "\"name\":\"b\",\"beta\":0.3,\"mix\":\"60/20/20\"");
    make_and_free(r, &page, &text);
    CHECK_CONTAINS(page.s, "<h3>Over beta</h3>");
    CHECK_CONTAINS(page.s, "<h3>Harmless against capability</h3>");
    CHECK_CONTAINS(text.s, "refuses what is forbidden");
    CHECK_CONTAINS(page.s, "2 models, each at what its run was asked for.");

    put_hhh(b, "b", "{\"mix\":\"20/40/40\"}", 0.875, 0.25);
    make_and_free(report_of(a, b), &page, &text);
    CHECK_CONTAINS(page.s, "<h3>Over the mix of preferences</h3>");
    qn_buf_drop(&page);
    qn_buf_drop(&text);
    qn_buf_drop(&json);
}

TEST(data_are_told_of) {
    qn_buf page = {0}, text = {0};
    char data[1300];
    const char *dir = full_run("with-data");
    snprintf(data, sizeof data, "%s/data", dir);
    CHECK_INT(mkdir(data, 0777), 0);
    put(data, "data.json",
        "{\"sources\":[{\"paths\":[\"/x/y/a.txt\",\"b/\"],\"files\":2,\"documents\":10,\"duplicates\":3,\"empty\":1,"
        "\"invalid_characters\":5,\"bytes\":1234567,\"train\":{\"tokens\":400000},\"validation\":{\"tokens\":4000}}]}");
    make_and_free(report_of(dir, NULL), &page, &text);
    CHECK_CONTAINS(page.s, "10 documents gave 400k tokens to train on; 4 documents were left out, as duplicates or "
                   "empty.");
    CHECK_CONTAINS(page.s, "<td>a.txt, b/</td><td class=\"num\">2</td><td class=\"num\">10</td>");
    qn_buf_drop(&page);
    qn_buf_drop(&text);
}

static void put_data(const char *dir, const char *name, int tokens, const char *dedup) {
    char data[1300], text[400];
    snprintf(data, sizeof data, "%s/data", dir);
    CHECK_INT(mkdir(data, 0777), 0);
    snprintf(text, sizeof text, "{\"options\":{\"validation\":0.01,\"dedup\":\"%s\"},\"sources\":[{\"paths\":[\"%s\"],"
             "\"documents\":10,\"train\":{\"tokens\":%d},\"validation\":{\"tokens\":40}}]}", dedup, name, tokens);
    put(data, "data.json", text);
}

/* What was trained on is often the point of a comparison; where it lay is not. */
TEST(other_data_differ) {
    qn_buf page = {0}, text = {0};
    const char *a = run_dir("data-a", "0.1"), *b = run_dir("data-b", "0.1");
    put_data(a, "/x/books", 5000, "exact");
    put_data(b, "/y/web", 6000, "none");
    make_and_free(report_of(a, b), &page, &text);
    CHECK_CONTAINS(page.s, "<tr><th>sources</th><td class=\"num\">books</td><td class=\"num\">web</td></tr>");
    CHECK_CONTAINS(page.s, "<tr><th>tokens to train on</th><td class=\"num\">5000</td><td class=\"num\">6000</td>");
    CHECK_CONTAINS(page.s, "<tr><th>dedup</th><td class=\"num\">exact</td><td class=\"num\">none</td></tr>");
    CHECK(!strstr(page.s, "<tr><th>documents</th>") && !strstr(page.s, "<tr><th>validation</th>"));
    qn_buf_drop(&page);
    qn_buf_drop(&text);
}

/* ---- runs with little in them, or broken things ---- */

TEST(runs_of_one_step_or_none) {
    qn_buf page = {0}, text = {0};
    const char *dir = run_dir("none", "0.1");
    make_and_free(report_of(dir, NULL), &page, &text);
    CHECK_CONTAINS(page.s, "No step is recorded yet.");
    put(dir, "metrics.jsonl", "{\"step\":1,\"loss\":6}\n");
    make_and_free(report_of(dir, NULL), &page, &text);
    CHECK_CONTAINS(page.s, "Training loss was 6 at step 1.");
    put(dir, "metrics.jsonl", "{\"step\":1,\"loss\":null,\"eval_loss\":null,\"grad_norm\":null}\n");
    make_and_free(report_of(dir, NULL), &page, &text);
    CHECK_CONTAINS(page.s, "1 step has no finite loss");
    put(dir, "manifest.json", "{\"format\": \"quern run 1\", \"argv\": 3, \"machine\": [], \"recipe\": \"\"}");
    make_and_free(report_of(dir, NULL), &page, &text);
    CHECK_CONTAINS(page.s, "A language model");
    qn_buf_drop(&page);
    qn_buf_drop(&text);
}

TEST(what_cannot_be_read_is_counted) {
    qn_buf page = {0}, text = {0};
    const char *dir = run_dir("hurt", "0.1");
    put(dir, "metrics.jsonl", "{\"step\":1,\"loss\":6}\n{\"st\n\nx\n{\"step\":2,\"loss\":5}\n{\"step\":3,\"loss\":4");
    put(dir, "samples.jsonl", "{\"step\":1,\"text\":\"a\"}\nnothing\n{\"text\":\"b\"}\n");
    put(dir, "evaluation.json", "{\"tasks\":[");
    put(dir, "bits.json", "[1, 2]");
    make_and_free(report_of(dir, NULL), &page, &text);
    CHECK_CONTAINS(page.s, "4 unreadable lines of metrics.jsonl were passed over.");
    CHECK_CONTAINS(page.s, "2 unreadable lines of samples.jsonl were passed over.");
    CHECK_CONTAINS(page.s, "evaluation.json is no whole JSON, and was passed over.");
    CHECK_CONTAINS(text.s, "! 4 unreadable lines of metrics.jsonl were passed over.");
    qn_buf_drop(&page);
    qn_buf_drop(&text);
}

TEST(what_is_no_run_is_refused) {
    qn_report *r;
    const char *dir = run_dir("newer", "0.1");
    CHECK_OK(qn_report_new(&r));
    CHECK_FAIL(qn_report_add(r, qn_test_temp("nowhere")), QN_ENOTFOUND, "no run there");
    put(dir, "manifest.json", "{\"format\": \"quern run 2\"}");
    CHECK_FAIL(qn_report_add(r, dir), QN_EFORMAT, "is of another version (\"quern run 2\")");
    put(dir, "manifest.json", "{\"format\": \"app\"}");
    CHECK_FAIL(qn_report_add(r, dir), QN_EFORMAT, "is no manifest of a run");
    put(dir, "manifest.json", "{\"format\": \"quern run 1\"");
    CHECK_FAIL(qn_report_add(r, dir), QN_EFORMAT, "manifest.json:1:");
    CHECK_INT(r->n, 0);
    qn_report_free(r);
    qn_report_free(NULL);
}

TEST(a_long_run_is_a_small_page) {
    enum { STEPS = 20000 };
    qn_buf lines = {0}, page = {0}, text = {0};
    const char *dir = run_dir("long", "0.1");
    for (int i = 1; i <= STEPS; i++)
        qn_buf_printf(&lines, "{\"step\":%d,\"loss\":%d.%03d,\"grad_norm\":1.%d,\"learning_rate\":0.%d,"
                      "\"tokens_per_second\":%d,\"flops_per_second\":2e10,\"num_input_tokens_seen\":%d}\n", i,
                      2 + 5000 / (i + 1000), i * 7919 % 1000, i * 31 % 97, i % 1000, 5000 + i * 13 % 700, i * 100);
    put(dir, "metrics.jsonl", lines.s);
    make_and_free(report_of(dir, NULL), &page, &text);
    CHECK(page.n < 500000, "%zu bytes", page.n);
    qn_buf_drop(&lines);
    qn_buf_drop(&page);
    qn_buf_drop(&text);
}

/* Bytes of one file changed, cut out or doubled, by chance that is the same each time. */
static void mutate(qn_buf *b, uint64_t round) {
    for (uint64_t k = 0; k < 1 + round % 5 && b->n > 2; k++) {
        const uint64_t draw = qn_hash_bytes(&k, sizeof k, round);
        const size_t at = (size_t)(draw % (b->n - 1)), most = b->n - at - 1, cut = (size_t)(draw >> 40) % 30;
        if (draw >> 62 == 0) {
            memmove(b->s + at, b->s + at + QN_MIN(cut, most), b->n - at - QN_MIN(cut, most));
            b->n -= QN_MIN(cut, most);
        } else {
            b->s[at] = draw >> 62 == 1 ? "{}[]\",:-9eE\\"[(draw >> 32) % 12] : (char)(draw >> 50);
        }
    }
}

TEST(damaged_files_never_break_a_page) {
    static const char *const names[] = {"manifest.json", "metrics.jsonl", "samples.jsonl", "evaluation.json",
                                        "bits.json"};
    char dir[1100], path[1200];
    qn_buf whole = {0}, bytes = {0}, page = {0}, text = {0};
    int made = 0;
    snprintf(dir, sizeof dir, "%s", full_run("mutated"));
    for (size_t f = 0; f < QN_LEN(names); f++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[f]);
        qn_buf_clear(&whole);
        CHECK_OK(qn_read_file(&whole, path, SIZE_MAX >> 1));
        for (uint64_t round = 0; round < 60; round++) {
            qn_report *r;
            qn_buf_clear(&bytes);
            qn_buf_put(&bytes, whole.s, whole.n);
            mutate(&bytes, round + 1000 * f);
            CHECK_OK(qn_write_file(path, bytes.s, bytes.n));
            CHECK_OK(qn_report_new(&r));
            if (qn_report_add(r, dir) >= 0) {
                made++;
                make_and_free(r, &page, &text);
            } else {
                CHECK_INT(f, 0, "round %d: %s", (int)round, qn_error_message());
                qn_report_free(r);
            }
        }
        CHECK_OK(qn_write_file(path, whole.s, whole.n));
    }
    CHECK(made > 240, "%d pages", made);
    qn_buf_drop(&whole);
    qn_buf_drop(&bytes);
    qn_buf_drop(&page);
    qn_buf_drop(&text);
}

TEST(memory_that_runs_out_is_an_error_anywhere) {
    const char *dir = full_run("memory");
    const int64_t before = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    int rc = QN_ENOMEM;
    for (int64_t after = 0; rc == QN_ENOMEM && after < 20000; after += 1 + after / 40) {
        qn_report *r = NULL;
        qn_buf page = {0};
        qn_mem_fail_after(after);
        rc = qn_report_new(&r);
        if (rc >= 0)
            rc = qn_report_add(r, dir);
        if (rc >= 0)
            rc = qn_report_html(r, &page);
        if (rc >= 0)
            rc = qn_report_text(r, &page, &(qn_text_plot){.width = 80});
        qn_mem_fail_after(-1);
        qn_report_free(r);
        qn_buf_drop(&page);
        CHECK_NO_LEAK(QN_MEM_BASE, before, "after %lld", (long long)after);
        CHECK(rc == 0 || rc == QN_ENOMEM, "%s after %lld: %s", qn_error_name(rc), (long long)after, qn_error_message());
    }
    CHECK_INT(rc, 0);
}

/* ---- parts ---- */

TEST(summaries_find_the_median) {
    static const double v[] = {NAN, 5, 1, INFINITY, 4, 2, 3}, none[] = {NAN};
    double many[1001];
    qn_report_summary s;
    CHECK_OK(qn_report_summarize(v, QN_LEN(v), &s));
    CHECK_INT(s.n, 5);
    CHECK_INT(s.least, 2);
    CHECK_INT(s.most, 1);
    CHECK_INT(s.last, 6);
    CHECK_NEAR(s.median, 3, 0);
    CHECK_OK(qn_report_summarize(none, 1, &s));
    CHECK(s.n == 0 && isnan(s.median));
    for (int i = 0; i < 1001; i++)
        many[i] = i * 7919 % 1001;
    CHECK_OK(qn_report_summarize(many, 1001, &s));
    CHECK_NEAR(s.median, 500, 0);
    CHECK_OK(qn_report_summarize(many, 0, &s));
    CHECK_INT(s.n, 0);
}

TEST(durations_and_sizes_read_well) {
    static const struct { double v; const char *time, *size; } cases[] = {
        {0.25, "0.25 s", "0.25 B"}, {59, "59 s", "59 B"}, {200, "3 min 20 s", "200 B"}, {180, "3 min", "180 B"},
        {7500, "2 h 5 min", "7.5 kB"}, {200000, "2 days 7 h", "200 kB"}, {-1, "–", "–"}, {NAN, "–", "–"},
        {999600, "11 days 13 h", "1 MB"}
    };
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        qn_buf b = {0};
        qn_put_duration(&b, cases[i].v);
        CHECK_STR(b.s, cases[i].time, "%g", cases[i].v);
        qn_buf_clear(&b);
        qn_put_bytes(&b, cases[i].v);
        CHECK_STR(b.s, cases[i].size, "%g", cases[i].v);
        qn_buf_drop(&b);
    }
}

TEST(members_are_found_by_name) {
    const qn_str text = QN_STR("{\"a\":{\"b\":{\"c\":1.5}},\"s\":\"x\\ny\",\"t\":true,\"n\":null}");
    qn_buf b = {0};
    CHECK_NEAR(qn_member_number(text, "a.b.c"), 1.5, 0);
    CHECK_NEAR(qn_member_number(text, "t"), 1, 0);
    CHECK(isnan(qn_member_number(text, "a.b")) && isnan(qn_member_number(text, "n")) &&
          isnan(qn_member_number(text, "a.x.c")) && isnan(qn_member_number(QN_STR(""), "a")) &&
          isnan(qn_member_number(QN_STR("[1"), "a")));
    CHECK_OK(qn_value_text(&b, qn_member(text, "s")));
    CHECK_STR(b.s, "x\ny");
    qn_buf_drop(&b);
}

/* ---- preferences ---- */

TEST(preferences_show_their_margins) {
    qn_buf page = {0}, text = {0};
    qn_report *r = report_of(judged_run("judged"), NULL);
    make(r, &page, &text);
    static const char *const said[] = {
        "What is preferred", "margin of rewards", "75 % of the pairs right, held out, at the end",
        "Held out, it went from 0.25 to 0.25.", "are 36, rejected ones 61 tokens long",
        "Chosen answers have become less probable, by 4 nats an answer", "--rpo-alpha", "sigmoid, at step 2",
    };
    for (size_t i = 0; i < QN_LEN(said); i++)
        CHECK_CONTAINS(page.s, said[i]);
    CHECK(!strstr(page.s, "<h3>Divergence"), "KTO's alone");
    CHECK_CONTAINS(page.s, "<h3>Lengths</h3>");
    CHECK_CONTAINS(page.s, "<h3>Log-ratio to the reference</h3>");
    CHECK_CONTAINS(text.s, "less probable");
    qn_buf json = {0};
    qn_jw w;
    qn_jw_init(&w, &json, 0);
    CHECK_OK(qn_report_json(r, &w));
    CHECK_OK(qn_jw_end(&w));
    CHECK_CONTAINS(json.s, "\"preferences\":{\"rewards/chosen\":{\"first\":-0.1");
    qn_buf_drop(&json);
    qn_report_free(r);
    qn_buf_clear(&page);
    qn_buf_clear(&text);
    r = report_of(judged_run("first"), full_run("second"));      /* of which one imitates */
    make(r, &page, &text);
    CHECK_CONTAINS(page.s, "What is preferred");
    qn_report_free(r);
    qn_buf_drop(&page);
    qn_buf_drop(&text);
}

/* A run that imitates, then one over pairs that goes on with it: the order in which they are named is no matter. */
TEST(preferences_of_any_run_are_shown) {
    static const char *const said[] = {
        "<h2>What is preferred</h2>", "<h3>Margin</h3>", "<h3>Right</h3>", "<h3>Rewards</h3>", "<h3>Lengths</h3>",
        "<h3>Log-ratio to the reference</h3>", "dpo: Held out, it went from 0.25 to 0.25.",
        "dpo: At the last step chosen answers are 36", "The runs have other objectives",
    };
    qn_buf page = {0}, text = {0};
    make_and_free(report_of(full_run("sft"), judged_run("dpo")), &page, &text);
    for (size_t i = 0; i < QN_LEN(said); i++)
        CHECK_CONTAINS(page.s, said[i]);
    CHECK_CONTAINS(text.s, "dpo: At the last step chosen answers have");
    CHECK_CONTAINS(text.s, "Margin");
    CHECK(!strstr(page.s, "The lowest validation loss"), "of two objectives there is no lowest loss");
    make_and_free(report_of(full_run("imitates-a"), full_run("imitates-b")), &page, &text);
    CHECK(!strstr(page.s, "What is preferred"));
    qn_buf_drop(&page);
    qn_buf_drop(&text);
}
