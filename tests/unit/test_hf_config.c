/* tests/unit/test_hf_config.c — a model directory's small files, and the spellings that differ. */
#include "test.h"

#include "format/hf_config.h"

/* Each test writes its own files into a directory of its own. */
static const char *directory(const char *name) {
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", qn_test_temp_dir(), name);
    CHECK_INT(mkdir(path, 0777), 0, "%s", path);
    return path;
}

static void put(const char *dir, const char *file, const char *text) {
    char name[200];
    snprintf(name, sizeof name, "%s/%s", strrchr(dir, '/') + 1, file);
    qn_test_write(name, text, strlen(text));
}

static qn_hf_config open_it(const char *dir) {
    qn_hf_config c;
    CHECK_OK(qn_hf_config_open(&c, dir));
    return c;
}

TEST(needs_config_json_and_nothing_else) {
    const char *dir = directory("bare");
    qn_hf_config c;
    int64_t ids[2];
    size_t n;
    qn_str s;
    CHECK_FAIL(qn_hf_config_open(&c, dir), QN_ENOTFOUND, "config.json");
    put(dir, "config.json", "{\"hidden_size\": 64}");
    c = open_it(dir);
    CHECK(c.config && !c.generation && !c.tokenizer && !c.template_file.s);
    CHECK_INT(qn_hf_eos_ids(&c, ids, 2, &n), 0);
    CHECK_INT(qn_hf_token_text(&c, "bos_token", &s), 0);
    CHECK_INT(qn_hf_chat_template(&c, NULL, &s), 0);
    qn_hf_config_close(&c);
    put(dir, "config.json", "{\"hidden_size\": 64,}");
    CHECK_FAIL(qn_hf_config_open(&c, dir), QN_EFORMAT, "bare/config.json:1:");
    put(dir, "config.json", "{}");
    put(dir, "tokenizer_config.json", "no");
    CHECK_FAIL(qn_hf_config_open(&c, dir), QN_EFORMAT, "tokenizer_config.json");
}

TEST(finds_eos_wherever_it_is) {
    const char *dir = directory("eos");
    int64_t ids[4];
    size_t n;
    put(dir, "config.json", "{\"text_config\": {\"eos_token_id\": 9}}");
    qn_hf_config c = open_it(dir);
    CHECK_INT(qn_hf_eos_ids(&c, ids, 4, &n), 1);
    CHECK(n == 1 && ids[0] == 9);
    qn_hf_config_close(&c);

    put(dir, "config.json", "{\"eos_token_id\": 2}");
    put(dir, "generation_config.json", "{\"temperature\": 0.6}");
    c = open_it(dir);
    CHECK_INT(qn_hf_eos_ids(&c, ids, 4, &n), 1);
    CHECK(n == 1 && ids[0] == 2);
    qn_hf_config_close(&c);

    put(dir, "generation_config.json", "{\"eos_token_id\": [128001, 128008]}");
    c = open_it(dir);
    CHECK_INT(qn_hf_eos_ids(&c, ids, 4, &n), 1);
    CHECK(n == 2 && ids[1] == 128008);
    CHECK_FAIL(qn_hf_eos_ids(&c, ids, 1, &n), QN_ELIMIT, "eos_token_id");
    qn_hf_config_close(&c);
}

TEST(reads_tokens_as_text_or_object) {
    const char *dir = directory("tokens");
    qn_str s;
    put(dir, "config.json", "{}");
    put(dir, "tokenizer_config.json", "{\"bos_token\": {\"__type\": \"AddedToken\", \"content\": \"<s>\", \"lstrip\": "
                                      "false}, \"eos_token\": \"</s>\", \"pad_token\": null, \"unk_token\": 3}");
    qn_hf_config c = open_it(dir);
    CHECK_INT(qn_hf_token_text(&c, "bos_token", &s), 1);
    CHECK_VIEW(s, "<s>");
    CHECK_INT(qn_hf_token_text(&c, "eos_token", &s), 1);
    CHECK_VIEW(s, "</s>");
    CHECK_INT(qn_hf_token_text(&c, "pad_token", &s), 0);
    CHECK_FAIL(qn_hf_token_text(&c, "unk_token", &s), QN_EFORMAT, "unk_token");
    qn_hf_config_close(&c);
}

TEST(finds_the_chat_template_in_its_three_places) {
    const char *dir = directory("templates");
    qn_str s;
    put(dir, "config.json", "{}");
    put(dir, "tokenizer_config.json", "{\"chat_template\": \"one\\n\"}");
    qn_hf_config c = open_it(dir);
    CHECK_INT(qn_hf_chat_template(&c, NULL, &s), 1);
    CHECK_VIEW(s, "one\n");
    CHECK_INT(qn_hf_chat_template(&c, "tool_use", &s), 0);
    qn_hf_config_close(&c);

    put(dir, "tokenizer_config.json", "{\"chat_template\": [{\"name\": \"default\", \"template\": \"plain\"},"
                                      " {\"name\": \"tool_use\", \"template\": \"tools\"}]}");
    c = open_it(dir);
    CHECK_INT(qn_hf_chat_template(&c, NULL, &s), 1);
    CHECK_VIEW(s, "plain");
    CHECK_INT(qn_hf_chat_template(&c, "tool_use", &s), 1);
    CHECK_VIEW(s, "tools");
    CHECK_INT(qn_hf_chat_template(&c, "rag", &s), 0);
    qn_hf_config_close(&c);

    put(dir, "chat_template.jinja", "from the file");
    c = open_it(dir);
    CHECK_INT(qn_hf_chat_template(&c, "default", &s), 1);
    CHECK_VIEW(s, "from the file");
    CHECK_INT(qn_hf_chat_template(&c, "tool_use", &s), 1);
    CHECK_VIEW(s, "tools");
    qn_hf_config_close(&c);

    put(dir, "chat_template.jinja", "");
    c = open_it(dir);
    CHECK_INT(qn_hf_chat_template(&c, NULL, &s), 1, "an empty file is a template");
    CHECK_VIEW(s, "");
    qn_hf_config_close(&c);
    CHECK_NO_LEAK(QN_MEM_FORMAT, 0);
}
