/* tests/unit/test_schema_real.c — schemas as clients send them (tools/fixtures/schemas.py): what fits each of them and
 * what does not, alone and as the parameters of a tool; which are refused, and in which words. */
#include "guide/json_tree.h"
#include "guide_rig.h"

static qn_json_tree rows;

static void open_rows(void) {
    qn_buf text = {0};
    CHECK_OK(qn_read_file(&text, qn_test_fixture("schemas.json"), (size_t)1 << 20));
    CHECK_OK(qn_json_tree_read(&rows, qn_buf_view(&text), "schemas.json"));
    qn_buf_drop(&text);
}

/* What stands around a text and its schema, whose own brace is part of it: nothing, or a tool's call. */
typedef struct { const char *schema[2], *text[2]; } frame;
static const frame frames[] = {
    {{"{", ""}, {"", ""}},
    {{"{\"anyOf\": [{\"properties\": {\"name\": {\"const\": \"f\"}, \"arguments\": {\"$id\": \"f\", ",
      "}, \"required\": [\"name\", \"arguments\"]}]}"}, {"{\"name\":\"f\",\"arguments\":", "}"}},
};

static void put_text(qn_buf *out, const char *const around[2], qn_str text) {
    qn_buf_clear(out);
    CHECK_OK(qn_buf_puts(out, around[0]));
    CHECK_OK(qn_buf_put(out, text.s, text.n));
    CHECK_OK(qn_buf_puts(out, around[1]));
}

static void check_texts(rig *r, int32_t row, const frame *f, bool fit) {
    const int32_t list = qn_json_tree_get(&rows, row, fit ? "fits" : "not");
    const qn_str name = qn_json_tree_str(&rows, qn_json_tree_get(&rows, row, "name"));
    qn_buf text = {0};
    for (int32_t k = rows.node[list].child; k >= 0; k = rows.node[k].next) {
        put_text(&text, f->text, qn_json_tree_str(&rows, k));
        CHECK(rig_fits(r, qn_buf_view(&text)) == fit, "%.*s: %s %s", QN_STR_ARG(name), text.s,
              fit ? "fits" : "does not fit");
    }
    qn_buf_drop(&text);
}

static void check_row(int32_t row, const frame *f) {
    const int32_t refused = qn_json_tree_get(&rows, row, "refused");
    qn_buf schema = {0}, text = {0};
    qn_syntax *g;
    CHECK_OK(qn_json_tree_write(&rows, qn_json_tree_get(&rows, row, "schema"), &schema));
    put_text(&text, f->schema, (qn_str){schema.s + 1, schema.n - 1});
    const int rc = qn_syntax_schema(&g, qn_buf_view(&text), "s", NULL);
    if (refused >= 0) {
        const qn_str why = qn_json_tree_str(&rows, refused), message = qn_str_of(qn_error_message());
        CHECK(rc == QN_EUNSUPPORTED, "%s", text.s);
        CHECK(f != frames || memmem(message.s, message.n, why.s, why.n), "\"%s\" does not say \"%.*s\"", message.s,
              QN_STR_ARG(why));
    } else {
        rig r;
        CHECK_OK(rc, "%s", text.s);
        rig_bind(&r, g);
        check_texts(&r, row, f, true);
        check_texts(&r, row, f, false);
        rig_drop(&r);
    }
    qn_buf_drop(&schema);
    qn_buf_drop(&text);
}

TEST(schemas_of_clients) {
    open_rows();
    CHECK(rows.node[0].n >= 30, "%d schemas", rows.node[0].n);
    for (int32_t k = rows.node[0].child; k >= 0; k = rows.node[k].next)
        for (size_t i = 0; i < QN_LEN(frames); i++)
            check_row(k, &frames[i]);
    qn_json_tree_drop(&rows);
}
