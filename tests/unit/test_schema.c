/* tests/unit/test_schema.c — JSON Schemas: which values fit; that whatever comes out of random schemas is valid by a
 * validator of its own; what is refused, by name. */
/* full: WHOLE=1 */
#include "guide_rig.h"
#include "json_valid.h"

typedef struct { const char *schema, *fits[7], *not[8]; } language;

#define STRING "{\"type\": \"string\"}"

static const language schemas[] = {
    {"{}", {"1", "\"a\"", "null", "[1,\n  {\"a\": true}]", "{}", "-0.5e10", "[ ]"},
     {"", "01", "nul", "{\"a\":}", " 1"}},
    {"true", {"{\"x\":1}"}, {"x"}},
    {"{\"type\": \"string\"}", {"\"\"", "\"é\\n\\u00e9\\\"\"", "\"\\u0fff\\ud7ff\""},
     {"1", "\"", "\"\n\"", "\"\\q\"", "\"\\ud800\"", "\"\\u12\""}},
    {"{\"type\": [\"null\", \"boolean\"]}", {"null", "true", "false"}, {"1", "\"a\""}},
    {"{\"type\": \"integer\"}", {"0", "-12", "123456"}, {"1.0", "01", "1e3", "+1", "-"}},
    {"{\"type\": \"number\"}", {"0", "-12.5", "1e9", "0.001E-7"}, {"1.", ".5", "1e", "1e1234"}},
    {"{\"type\": \"integer\", \"minimum\": 3, \"maximum\": 120}", {"3", "9", "10", "99", "119", "120"},
     {"2", "121", "0", "003", "-3", "1200"}},
    {"{\"type\": \"integer\", \"minimum\": -12, \"exclusiveMaximum\": 5}", {"-12", "-9", "-1", "0", "4"},
     {"-13", "5", "-0", "-20"}},
    {"{\"type\": \"integer\", \"minimum\": 317}", {"317", "318", "999", "1000", "99999"}, {"316", "31", "0", "-400"}},
    {"{\"type\": \"integer\", \"maximum\": -7}", {"-7", "-8", "-10", "-123"}, {"-6", "7", "0"}},
    {"{\"type\": \"integer\", \"minimum\": 2.5, \"maximum\": 4.5}", {"3", "4"}, {"2", "5"}},
    {"{\"type\": \"number\", \"minimum\": 0, \"maximum\": 1}", {"0", "1", "0.5", "1.0", "1.000", "0.0"},
     {"1.1", "-0.1", "1.01", "2", "0.5e3"}},
    {"{\"type\": \"number\", \"exclusiveMinimum\": 0, \"exclusiveMaximum\": 2}", {"1", "0.5", "0.05", "1.999", "1.0"},
     {"0", "0.0", "2", "2.0", "-1"}},
    {"{\"type\": \"number\", \"minimum\": -2, \"maximum\": 3}", {"-2", "-1.5", "-0.5", "0", "2.9", "3.0", "-2.0"},
     {"-2.1", "3.1", "-3"}},
    {"{\"type\": \"number\", \"minimum\": 0.25, \"maximum\": 3.5}", {"0.25", "0.3", "0.99", "1", "2.75", "3.5", "3.50"},
     {"0.2", "0.24", "0", "3.51", "3.6", "4", "-0.25"}},
    {"{\"type\": \"number\", \"exclusiveMinimum\": 0.25, \"exclusiveMaximum\": 0.75}", {"0.251", "0.3", "0.7", "0.749"},
     {"0.25", "0.250", "0.75", "0.750", "0.8", "0.2", "1"}},
    {"{\"type\": \"number\", \"minimum\": -1.5, \"maximum\": -0.05}", {"-1.5", "-1.2", "-1", "-0.05", "-0.5"},
     {"-1.51", "-0.04", "-2", "0", "0.5", "-0"}},
    {"{\"type\": \"number\", \"minimum\": 0.01}", {"0.01", "0.1", "5", "123.4"}, {"0.009", "0", "-1"}},
    {"{\"type\": \"number\", \"exclusiveMaximum\": 0.5}", {"0.4", "0", "-3.5", "0.49"}, {"0.5", "0.51", "1"}},
    {"{\"type\": \"number\", \"maximum\": 10}", {"-5000", "10", "9.99", "-0.1"}, {"10.1", "11"}},
    {"{\"type\": \"string\", \"minLength\": 2, \"maxLength\": 3}", {"\"ab\"", "\"é日\"", "\"\\n\\u00e9a\""},
     {"\"a\"", "\"abcd\"", "\"\\n\""}},
    {"{\"type\": \"string\", \"maxLength\": 1000000000}", {"\"\"", "\"hello\""}, {"\""}},
    {"{\"pattern\": \"^[a-c]+$\"}", {"\"abc\""}, {"\"\"", "\"abd\"", "\"xabc\""}},
    {"{\"pattern\": \"b\"}", {"\"b\"", "\"abc\"", "\"\\n b\""}, {"\"ac\"", "\"\""}},
    {"{\"pattern\": \"^a|b$\"}", {"\"a\"", "\"axx\"", "\"xxb\""}, {"\"xa\"", "\"bx\""}},
    {"{\"pattern\": \"^[\\\"\\\\\\\\\\n]+$\"}", {"\"\\\"\\\\\\n\""}, {"\"a\"", "\"\\t\""}},
    {"{\"pattern\": \"^[a-z]{2,4}$\", \"minLength\": 1, \"maxLength\": 9}", {"\"ab\""}, {"\"a\""}},
    {"{\"pattern\": \"^[a-z-]+$\", \"minLength\": 2, \"maxLength\": 4}", {"\"ab\"", "\"a-b\"", "\"abcd\""},
     {"\"a\"", "\"abcde\"", "\"aB\"", "\"\""}},
    {"{\"pattern\": \"^(?!\\\\.)(?!.*\\\\.\\\\.)[a-z.]+$\"}", {"\"a\"", "\"a.b\"", "\"a.\""},
     {"\".a\"", "\"a..b\"", "\"\""}},
    {"{\"pattern\": \"^(?=.*[0-9])(?=.*[a-z])[a-z0-9\\\"]{3,}$\"}", {"\"ab1\"", "\"1\\\"a\""},
     {"\"abc\"", "\"123\"", "\"a1\""}},
    {"{\"pattern\": \"^(?!^[-+.]*$)[+-]?0*\\\\d*\\\\.?\\\\d*$\"}", {"\"1\"", "\"-1.5\"", "\"+.5\""},
     {"\"\"", "\"-\"", "\".\""}},
    {"{\"pattern\": \"^é*日?$\", \"maxLength\": 2}", {"\"\"", "\"éé\"", "\"é日\""}, {"\"ééé\"", "\"日日\""}},
    {"{\"format\": \"uri\", \"minLength\": 1, \"maxLength\": 2083}", {"\"https://example.org/a\""},
     {"\"example.org\""}},
    {"{\"format\": \"uri\", \"maxLength\": 20}", {"\"https://a.example/x\""}, {"\"https://a.example/xxxx\""}},
    {"{\"type\": \"string\", \"format\": \"color\", \"maxLength\": 4}", {"\"red\""}, {"\"green\""}},
    {"{\"enum\": [1, 2, \"a\", \"abc\"], \"minimum\": 2, \"maxLength\": 2}", {"2", "\"a\""}, {"1", "\"abc\""}},
    {"{\"enum\": [\"red\", 1, null, [1, {\"a\": \"x\"}], 2.50]}", {"\"red\"", "1", "null", "[1,{\"a\":\"x\"}]", "2.50"},
     {"\"blue\"", "2", "red"}},
    {"{\"const\": \"a\\\"b\"}", {"\"a\\\"b\""}, {"\"a\""}},
    {"{\"type\": \"string\", \"enum\": [\"a\", 1]}", {"\"a\""}, {"1"}},
    {"{\"type\": \"array\", \"items\": {\"type\": \"integer\"}}", {"[]", "[1]", "[1, 2]", "[\n  1,\n  2\n]", "[ 1,2 ]"},
     {"[1,]", "[,1]", "[\"a\"]", "[1 ,2]"}},
    {"{\"type\": \"array\", \"items\": {\"const\": 1}, \"minItems\": 2, \"maxItems\": 3}", {"[1,1]", "[1,1,1]"},
     {"[1]", "[1,1,1,1]", "[]"}},
    {"{\"type\": \"array\", \"items\": {\"const\": 1}, \"maxItems\": 0}", {"[]", "[ ]"}, {"[1]"}},
    {"{\"items\": {\"enum\": [1, 2, 3]}, \"uniqueItems\": true}", {"[]", "[1]", "[1,3]", "[ 1, 2, 3 ]"},
     {"[1,1]", "[3,1]", "[4]", "[1,]"}},
    {"{\"items\": {\"enum\": [1, 2, 3]}, \"uniqueItems\": true, \"minItems\": 1, \"maxItems\": 2}", {"[2]", "[1,3]"},
     {"[]", "[1,2,3]"}},
    {"{\"prefixItems\": [{\"const\": 1}, " STRING "], \"items\": {\"type\": \"null\"}}",
     {"[]", "[1]", "[1,\"a\"]", "[1,\"a\",null,null]"}, {"[\"a\"]", "[1,null]", "[1,\"a\",1]"}},
    {"{\"prefixItems\": [{\"const\": 1}, " STRING "], \"items\": false, \"minItems\": 1}", {"[1]", "[1,\"a\"]"},
     {"[]", "[1,\"a\",1]"}},
    {"{\"type\": \"object\"}", {"{}", "{\"a\": 1, \"b\": [null]}"}, {"{a:1}", "{\"a\":1,}", "[]"}},
    {"{\"properties\": {\"a\": {\"const\": 1}, \"b\": {\"const\": 2}}, \"required\": [\"b\"]}",
     {"{\"a\":1,\"b\":2}", "{\"b\":2}", "{\n  \"a\": 1,\n  \"b\": 2\n}"},
     {"{\"a\":1}", "{}", "{\"b\":2,\"a\":1}", "{\"b\":2,}", "{,\"b\":2}", "{\"b\":2,\"c\":3}"}},
    {"{\"properties\": {\"a\": {\"const\": 1}, \"b\": {\"const\": 2}, \"c\": {\"const\": 3}}}",
     {"{}", "{\"a\":1}", "{\"b\":2}", "{\"a\":1,\"c\":3}", "{\"a\":1,\"b\":2,\"c\":3}", "{\"c\":3}"},
     {"{\"c\":3,\"a\":1}", "{\"a\":1,\"a\":1}", "{\"a\":1,}"}},
    {"{\"properties\": {\"id\": {\"const\": 1}}, \"required\": [\"id\"], \"additionalProperties\": {\"const\": true}}",
     {"{\"id\":1}", "{\"id\":1,\"x\":true}", "{\"id\":1,\"ida\":true, \"i\":true,\"\":true}"},
     {"{\"x\":true}", "{\"id\":1,\"id\":true}", "{\"id\":1,\"\\u0069d\":true}", "{\"id\":1,\"x\":1}"}},
    {"{\"properties\": {\"a\": {\"const\": 1}}, \"additionalProperties\": true}",
     {"{}", "{\"b\":[]}", "{\"a\":1,\"b\":2}"}, {"{\"b\":2,\"a\":1}"}},
    {"{\"type\": \"object\", \"additionalProperties\": {\"const\": 1}, \"minProperties\": 1, \"maxProperties\": 2}",
     {"{\"a\":1}", "{\"a\":1,\"b\":1}"}, {"{}", "{\"a\":1,\"b\":1,\"c\":1}"}},
    {"{\"patternProperties\": {\"^x-[a-z]+$\": {\"const\": 1}}}", {"{}", "{\"x-a\":1,\"x-bc\":1}"},
     {"{\"a\":1}", "{\"x-a\":2}"}},
    {"{\"propertyNames\": {\"enum\": [\"a\", \"b\"]}, \"additionalProperties\": {\"const\": 1}}",
     {"{}", "{\"a\":1}", "{\"b\":1,\"a\":1}"}, {"{\"c\":1}", "{\"a\":2}"}},
    {"{\"propertyNames\": {\"pattern\": \"^[a-c]+$\", \"maxLength\": 2}}", {"{}", "{\"ab\":[1]}"},
     {"{\"abc\":1}", "{\"d\":1}"}},
    {"{\"type\": \"object\", \"unevaluatedProperties\": false, \"properties\": {\"a\": {\"const\": 1}}}",
     {"{}", "{\"a\":1}"}, {"{\"b\":1}"}},
    {"{\"type\": \"string\", \"nullable\": true, \"maxLength\": 1}", {"null", "\"a\""}, {"\"ab\"", "1"}},
    {"{\"discriminator\": {\"propertyName\": \"k\"}, \"oneOf\": [{\"type\": \"object\", \"properties\":"
     " {\"k\": {\"const\": \"x\"}, \"n\": {\"const\": 1}}}, {\"type\": \"object\", \"properties\":"
     " {\"k\": {\"const\": \"y\"}}}]}",
     {"{\"k\":\"x\",\"n\":1}", "{\"k\":\"y\"}", "{\"k\":\"x\"}"}, {"{\"n\":1}", "{}", "{\"k\":\"y\",\"n\":1}"}},
    {"{\"required\": [\"a\"]}", {"{\"a\": null}", "{\"a\":1,\"z\":2}"}, {"{}", "{\"b\":1}"}},
    {"{\"anyOf\": [{\"type\": \"null\"}, {\"const\": 5}], \"title\": \"x\"}", {"null", "5"}, {"6"}},
    {"{\"type\": \"object\", \"anyOf\": [{\"required\": [\"a\"]}, {\"required\": [\"b\"]}],"
     " \"properties\": {\"a\": {\"const\": 1}, \"b\": {\"const\": 2}}}",
     {"{\"a\":1}", "{\"b\":2}", "{\"a\":1,\"b\":2}"}, {"{}"}},
    {"{\"oneOf\": [{\"type\": \"integer\"}, {\"type\": \"string\", \"maxLength\": 1}]}", {"1", "\"a\""},
     {"\"ab\"", "null"}},
    {"{\"oneOf\": [{\"type\": \"object\", \"properties\": {\"k\": {\"const\": \"x\"}}, \"required\": [\"k\"]},"
     " {\"type\": \"object\", \"properties\": {\"k\": {\"const\": \"y\"}, \"n\": {\"type\": \"null\"}},"
     " \"required\": [\"k\"]}]}", {"{\"k\":\"x\"}", "{\"k\":\"y\",\"n\":null}"}, {"{\"k\":\"x\",\"n\":null}"}},
    {"{\"allOf\": [{\"properties\": {\"a\": {\"type\": \"integer\"}}, \"required\": [\"a\"]},"
     " {\"properties\": {\"a\": {\"minimum\": 8}, \"b\": {\"const\": 2}}}], \"properties\": {\"a\": {\"maximum\": 9}}}",
     {"{\"a\":8}", "{\"a\":9,\"b\":2}"}, {"{\"a\":7}", "{\"a\":10}", "{\"b\":2}"}},
    {"{\"$ref\": \"#/$defs/node\", \"$defs\": {\"node\": {\"properties\": {\"v\": {\"const\": 1}, \"next\":"
     " {\"anyOf\": [{\"$ref\": \"#/$defs/node\"}, {\"type\": \"null\"}]}}, \"required\": [\"v\", \"next\"]}}}",
     {"{\"v\":1,\"next\":null}", "{\"v\":1,\"next\":{\"v\":1,\"next\":null}}"}, {"{\"v\":1}", "{\"v\":1,\"next\":1}"}},
    {"{\"type\": \"array\", \"items\": {\"$ref\": \"#\"}}", {"[]", "[[],[[]]]"}, {"[", "[1]"}},
    {"{\"properties\": {\"a/b~c d\": {\"const\": 1}, \"z\": {\"$ref\": \"#/properties/a~1b~0c%20d\"}}}",
     {"{\"a/b~c d\":1,\"z\":1}"}, {"{\"z\":2}"}},
    {"{\"format\": \"date\"}", {"\"2024-02-29\"", "\"1999-12-31\"", "\"2000-02-29\""},
     {"\"2023-02-29\"", "\"2024-13-01\"", "\"2024-04-31\"", "\"0000-01-01\"", "\"1900-02-29\""}},
    {"{\"format\": \"date-time\"}", {"\"2024-01-01T12:30:59Z\"", "\"2024-01-01T00:00:00.5+01:00\""},
     {"\"2024-01-01\"", "\"2024-01-01T24:00:00Z\"", "\"2024-01-01T12:30:59\""}},
    {"{\"format\": \"time\"}", {"\"12:30:59Z\""}, {"\"12:60:00Z\""}},
    {"{\"format\": \"uuid\"}", {"\"123e4567-e89b-12d3-a456-426614174000\""}, {"\"123e4567e89b12d3a456426614174000\""}},
    {"{\"format\": \"ipv4\"}", {"\"255.0.10.1\""}, {"\"256.0.0.1\"", "\"01.0.0.1\""}},
    {"{\"format\": \"email\"}", {"\"a.b@example.org\""}, {"\"a@b\"", "\"@x.org\""}},
    {"{\"anyOf\": [{\"enum\": []}, {\"const\": 1}]}", {"1"}, {"null"}},
    {"{\"properties\": {\"a\": false, \"b\": {\"const\": 1}}}", {"{}", "{\"b\":1}"}, {"{\"a\":1}"}},
    {"{\"properties\": {\"a\": {\"enum\": []}, \"b\": {\"const\": 1}}}", {"{}", "{\"b\":1}"}, {"{\"a\":1}"}},
};

TEST(values_that_fit) {
    for (size_t i = 0; i < QN_LEN(schemas); i++) {
        const language *l = &schemas[i];
        rig r;
        rig_schema(&r, l->schema);
        for (size_t k = 0; k < QN_LEN(l->fits) && l->fits[k]; k++)
            rig_check(&r, l->fits[k], true, l->schema);
        for (size_t k = 0; k < QN_LEN(l->not) && l->not[k]; k++)
            rig_check(&r, l->not[k], false, l->schema);
        rig_drop(&r);
    }
}

TEST(options_of_a_schema) {
    qn_syntax *g;
    rig r;
    qn_schema_options o = {.before = QN_STR("<call>"), .after = QN_STR("</call>"), .compact = true};
    const qn_str schema = QN_STR("{\"properties\": {\"a\": {\"const\": 1}}, \"required\": [\"a\"]}");
    CHECK_OK(qn_syntax_schema(&g, schema, "s", &o));
    rig_bind(&r, g);
    rig_check(&r, "<call>{\"a\":1}</call>", true, "framed");
    rig_check(&r, "<call>{\"a\": 1}</call>", false, "compact");
    rig_check(&r, "<call>{\"a\":1}</call><call>{\"a\":1}</call>", false, "one");
    rig_drop(&r);
    o.between = QN_STR("\n");
    o.least = 2;
    o.most = 3;
    CHECK_OK(qn_syntax_schema(&g, schema, "s", &o));
    rig_bind(&r, g);
    rig_check(&r, "<call>{\"a\":1}</call>", false, "two");
    rig_check(&r, "<call>{\"a\":1}</call>\n<call>{\"a\":1}</call>", true, "two");
    rig_check(&r, "<call>{\"a\":1}</call>\n<call>{\"a\":1}</call>\n<call>{\"a\":1}</call>", true, "three");
    rig_drop(&r);
}

/* ---- random schemas ---- */

typedef struct { uint64_t seed, step; qn_buf out; } maker;

static int roll(maker *m, int n) { return (int)(qn_rng_u64(m->seed, QN_RNG_TEST, 77, m->step++) % (uint64_t)n); }
static void put(maker *m, const char *text) { CHECK_OK(qn_buf_puts(&m->out, text)); }

static void make_schema(maker *m, int depth);

static void make_object(maker *m, int depth) {
    static const char *const names[] = {"id", "name", "a", "tags", "é\\\"x", "date"};
    const int n = roll(m, 5);
    bool first = true;
    put(m, "{\"type\":\"object\",\"properties\":{");
    for (int i = 0; i < n; i++) {
        CHECK_OK(qn_buf_printf(&m->out, "%s\"%s\":", i ? "," : "", names[i]));
        make_schema(m, depth - 1);
    }
    put(m, "},\"required\":[");
    for (int i = 0; i < n; i++)
        if (roll(m, 2)) {
            CHECK_OK(qn_buf_printf(&m->out, "%s\"%s\"", first ? "" : ",", names[i]));
            first = false;
        }
    put(m, "]");
    if (roll(m, 3) == 0) {
        put(m, ",\"additionalProperties\":");
        make_schema(m, depth - 1);
    }
    put(m, "}");
}

static void make_array(maker *m, int depth) {
    const int least = roll(m, 3);
    put(m, "{\"type\":\"array\"");
    if (roll(m, 4) == 0) {
        put(m, ",\"prefixItems\":[");
        make_schema(m, depth - 1);
        put(m, ",");
        make_schema(m, depth - 1);
        put(m, "]");
    }
    put(m, ",\"items\":");
    make_schema(m, depth - 1);
    if (roll(m, 2))
        CHECK_OK(qn_buf_printf(&m->out, ",\"minItems\":%d", least));
    if (roll(m, 2))
        CHECK_OK(qn_buf_printf(&m->out, ",\"maxItems\":%d", least + roll(m, 4)));
    put(m, "}");
}

static void make_number(maker *m) {
    const int low = roll(m, 400) - 150, high = low + roll(m, 1000);
    CHECK_OK(qn_buf_printf(&m->out, "{\"type\":\"%s\"", roll(m, 2) ? "integer" : "number"));
    if (roll(m, 2))
        CHECK_OK(qn_buf_printf(&m->out, ",\"%s\":%d", roll(m, 3) ? "minimum" : "exclusiveMinimum", low - 1));
    if (roll(m, 2))
        CHECK_OK(qn_buf_printf(&m->out, ",\"%s\":%d", roll(m, 3) ? "maximum" : "exclusiveMaximum", high + 1));
    put(m, "}");
}

static void make_string(maker *m) {
    const int least = roll(m, 4);
    put(m, "{\"type\":\"string\"");
    if (roll(m, 2))
        CHECK_OK(qn_buf_printf(&m->out, ",\"minLength\":%d", least));
    if (roll(m, 2))
        CHECK_OK(qn_buf_printf(&m->out, ",\"maxLength\":%d", least + roll(m, 30)));
    put(m, "}");
}

static void make_several(maker *m, const char *keyword, int depth) {
    CHECK_OK(qn_buf_printf(&m->out, "{\"%s\":[", keyword));
    make_schema(m, depth - 1);
    put(m, ",");
    make_schema(m, depth - 1);
    put(m, "]}");
}

static void make_schema(maker *m, int depth) {
    static const char *const leaves[] = {
        "{\"type\":\"boolean\"}", "{\"type\":[\"null\",\"integer\"]}",
        "{\"enum\":[\"red\",\"green\",3,null,{\"a\":[1]}]}",
        "{\"const\":\"blue\"}", "{}", "{\"$ref\":\"#/$defs/tree\"}",
    };
    const int kind = roll(m, depth > 0 ? 9 : 6);
    switch (kind) {
    case 0: case 1: put(m, leaves[roll(m, QN_LEN(leaves))]); return;
    case 2: make_number(m); return;
    case 3: case 4: make_string(m); return;
    case 5: put(m, leaves[roll(m, 3)]); return;
    case 6: make_object(m, depth); return;
    case 7: make_array(m, depth); return;
    default: make_several(m, roll(m, 3) ? "anyOf" : "allOf", depth); return;
    }
}

/* A schema whose root is an object with a tree among its definitions. False: it was refused, and may be. */
static bool random_rig(maker *m, rig *r) {
    qn_syntax *g;
    qn_buf_clear(&m->out);
    put(m, "{\"$defs\":{\"tree\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\",\"items\":"
           "{\"$ref\":\"#/$defs/tree\"},\"maxItems\":2}},\"required\":[\"a\"]}},\"type\":\"object\",\"properties\":"
           "{\"name\":");
    make_schema(m, 3);
    put(m, ",\"tags\":");
    make_schema(m, 3);
    put(m, "},\"required\":[\"name\"]}");
    const int rc = qn_syntax_schema(&g, qn_buf_view(&m->out), "s.json", NULL);
    CHECK(rc == 0 || rc == QN_EINVAL || rc == QN_EUNSUPPORTED, "%s", m->out.s);
    if (rc == 0)
        rig_bind(r, g);
    return rc == 0;
}

TEST(what_comes_out_is_valid) {
    qn_buf text = {0};
    maker m = {0};
    const int schemas_tried = qn_test_whole() ? 3000 : 60;
    int refused = 0, texts = 0;
    for (m.seed = 0; m.seed < (uint64_t)schemas_tried; m.seed++) {
        rig r;
        m.step = 0;
        if (!random_rig(&m, &r)) {
            refused++;
            continue;
        }
        for (uint64_t seed = 0; seed < 3; seed++) {
            if (!rig_walk(&r, m.seed * 8 + seed, 30, seed == 0 && m.seed % 8 == 0, m.out.s, &text))
                continue;
            texts++;
            CHECK(json_valid(qn_buf_view(&m.out), qn_buf_view(&text)), "%s\n  '%.*s'", m.out.s,
                  QN_STR_ARG(qn_buf_view(&text)));
        }
        rig_drop(&r);
    }
    CHECK(refused * 3 < schemas_tried && texts > schemas_tried, "%d refused, %d texts", refused, texts);
    qn_buf_drop(&text);
    qn_buf_drop(&m.out);
}

/* ---- what is refused ---- */

static const struct { const char *schema; int code; const char *says; } bad[] = {
    {"", QN_EFORMAT, "s.json:1:1"},
    {"[]", QN_EFORMAT, "a schema is an object"},
    {"{\"type\": \"strin\"}", QN_EFORMAT, "s.json#/type: expected null, boolean"},
    {"{\"properties\": {\"a\": {\"not\": {\"const\": 1}}}}", QN_EUNSUPPORTED,
     "s.json#/properties/a/not: \"not\" is understood of"},
    {"{\"properties\": {\"a\": {\"$id\": \"x\", \"items\": {\"if\": {}}}}}", QN_EUNSUPPORTED,
     "s.json: x#/items/if: the keyword \"if\""},
    {"{\"patternProperties\": {\"a\": {}, \"b\": {}}}", QN_EUNSUPPORTED, "patternProperties: is understood with one"},
    {"{\"properties\": {\"a\": {}}, \"patternProperties\": {\"b\": {}}}", QN_EUNSUPPORTED, "without members that"},
    {"{\"properties\": {\"a\": {}}, \"propertyNames\": {\"maxLength\": 3}}", QN_EUNSUPPORTED, "\"a\" is a member"},
    {"{\"propertyNames\": {\"anyOf\": [{\"const\": \"a\"}]}}", QN_EUNSUPPORTED, "alternatives are not understood"},
    {"{\"unevaluatedProperties\": {\"type\": \"null\"}}", QN_EUNSUPPORTED, "where it is true or false"},
    {"{\"if\": {}}", QN_EUNSUPPORTED, "\"if\""},
    {"{\"contains\": {}}", QN_EUNSUPPORTED, "contains"},
    {"{\"uniqueItems\": true}", QN_EUNSUPPORTED, "uniqueItems is understood of items that are listed"},
    {"{\"uniqueItems\": true, \"items\": {\"enum\": [1, 2]}, \"minItems\": 3}", QN_EINVAL, "no text fits"},
    {"{\"multipleOf\": 3}", QN_EUNSUPPORTED, "multipleOf"},
    {"{\"type\": \"number\", \"minimum\": 1e-20}", QN_EUNSUPPORTED, "a bound of 1e-20"},
    {"{\"pattern\": \"(?=a)\"}", QN_EUNSUPPORTED, "s.json#/pattern: pattern \"(?=a)\", byte 1: (?= is not"},
    {"{\"pattern\": \"^(?=a)b|c\"}", QN_EUNSUPPORTED, "in one of several alternatives"},
    {"{\"pattern\": \"^(?!a(?=b))\"}", QN_EUNSUPPORTED, "(?= is not"},
    {"{\"pattern\": \"^(?=a{90000})\"}", QN_ELIMIT, "s.json#/pattern: it explodes"},
    {"{\"pattern\": \"^(a|b)*a(a|b){20}$\", \"maxLength\": 100}", QN_ELIMIT, "it explodes"},
    {"{\"pattern\": \"^a{3}$\", \"maxLength\": 2}", QN_EINVAL, "no text fits"},
    {"{\"pattern\": \"^[a-z]+$\", \"format\": \"date\"}", QN_EINVAL, "no text fits"},
    {"{\"enum\": [\"a\", \"b\"], \"pattern\": \"a\"}", QN_EUNSUPPORTED, "values are listed"},
    {"{\"$ref\": \"other.json\"}", QN_EUNSUPPORTED, "only places in this schema"},
    {"{\"$ref\": \"#/a\"}", QN_EFORMAT, "there is nothing at that place"},
    {"{\"$ref\": \"#\"}", QN_EINVAL, "refers to itself"},
    {"{\"allOf\": [{\"$ref\": \"#\"}]}", QN_EINVAL, "refers to itself"},
    {"{\"properties\": {\"a\": {\"$ref\": \"#\"}}, \"required\": [\"a\"]}", QN_EINVAL, "no text fits"},
    {"{\"minItems\": 3, \"maxItems\": 2}", QN_EINVAL, "no text fits"},
    {"{\"type\": \"integer\", \"minimum\": 3, \"maximum\": 2}", QN_EINVAL, "no text fits"},
    {"{\"minLength\": 3, \"maxLength\": 2}", QN_EINVAL, "no text fits"},
    {"{\"allOf\": [{\"type\": \"string\"}, {\"type\": \"null\"}]}", QN_EINVAL, "no text fits"},
    {"{\"minItems\": 10000000000}", QN_ELIMIT, "more than 1000000000"},
    {"{\"minItems\": -1}", QN_EFORMAT, "not negative"},
    {"{\"required\": [1]}", QN_EFORMAT, "expected a name"},
    {"{\"oneOf\": [{\"type\": \"integer\"}, {\"type\": \"number\"}]}", QN_EUNSUPPORTED, "fit the alternatives 1 and 2"},
    {"{\"anyOf\": []}", QN_EFORMAT, "expected an array of schemas"},
    {"{\"type\": \"string\", \"type\": \"null\"}", QN_EFORMAT, "stands twice"},
    {"{\"minProperties\": 2}", QN_EUNSUPPORTED, "minProperties: is understood where"},
    {"false", QN_EINVAL, "no text fits"},
};

TEST(bad_schemas_are_refused_by_name) {
    for (size_t i = 0; i < QN_LEN(bad); i++) {
        qn_syntax *g;
        const int64_t live = qn_mem_stats_get(QN_MEM_SESSION).live_bytes;
        CHECK_FAIL(qn_syntax_schema(&g, qn_str_of(bad[i].schema), "s.json", NULL), bad[i].code, bad[i].says, "%s",
                   bad[i].schema);
        CHECK(g == NULL);
        CHECK_NO_LEAK(QN_MEM_SESSION, live, "%s", bad[i].schema);
    }
}

TEST(schemas_that_explode) {
    qn_syntax *g;
    qn_buf b = {0};
    CHECK_OK(qn_buf_puts(&b, "{\"allOf\": ["));             /* 2^20 combinations */
    for (int i = 0; i < 20; i++)
        CHECK_OK(qn_buf_printf(&b, "%s{\"anyOf\": [{\"minLength\": %d}, {\"maxLength\": %d}]}", i ? "," : "", i,
                               100 + i));
    CHECK_OK(qn_buf_puts(&b, "]}"));
    CHECK_FAIL(qn_syntax_schema(&g, qn_buf_view(&b), "s", NULL), QN_ELIMIT, "explodes");
    qn_buf_clear(&b);
    while (b.n < 10000000)
        CHECK_OK(qn_buf_puts(&b, "          "));
    CHECK_FAIL(qn_syntax_schema(&g, qn_buf_view(&b), "s", NULL), QN_ELIMIT, "a schema has at most");
    qn_buf_clear(&b);
    CHECK_OK(qn_buf_puts(&b, "{\"properties\": {"));
    for (int i = 0; i < 5000; i++)
        CHECK_OK(qn_buf_printf(&b, "%s\"k%d\": {}", i ? "," : "", i));
    CHECK_OK(qn_buf_puts(&b, "}}"));
    CHECK_FAIL(qn_syntax_schema(&g, qn_buf_view(&b), "s", NULL), QN_ELIMIT, "more than 4000 members");
    qn_buf_clear(&b);
    for (int i = 0; i < 100; i++)
        CHECK_OK(qn_buf_puts(&b, "{\"items\": "));
    CHECK_FAIL(qn_syntax_schema(&g, qn_buf_view(&b), "s", NULL), QN_ELIMIT, "");
    qn_buf_drop(&b);
}

/* A place in a list is a place in a tree, however long the list: neither the text nor the masks notice. */
TEST(long_lists_are_not_ambiguous) {
    rig r;
    qn_buf b = {0};
    CHECK_OK(qn_buf_puts(&b, "{\"enum\": [true"));
    for (int i = 0; i < 20000; i++)
        CHECK_OK(qn_buf_printf(&b, ", \"v%d\"", i));
    CHECK_OK(qn_buf_puts(&b, "]}"));
    rig_schema(&r, b.s);
    rig_check(&r, "\"v19999\"", true, "enum");
    rig_check(&r, "\"v1\"", true, "enum");
    rig_check(&r, "true", true, "enum");
    rig_check(&r, "\"v20000\"", false, "enum");
    rig_drop(&r);
    qn_buf_clear(&b);
    CHECK_OK(qn_buf_puts(&b, "{\"anyOf\": [{\"type\": \"null\"}"));
    for (int i = 0; i < 5000; i++)
        CHECK_OK(qn_buf_printf(&b, ", {\"properties\": {\"id\": {\"type\": \"integer\"}, \"name\": "
                               "{\"const\": \"k%d\"}, \"tags\": {\"enum\": [%d, null]}}, "
                               "\"required\": [\"id\", \"name\"]}", i, i));
    CHECK_OK(qn_buf_puts(&b, "]}"));
    rig_schema(&r, b.s);
    rig_check(&r, "{\"id\": 12, \"name\": \"k4999\", \"tags\": 4999}", true, "anyOf");
    rig_check(&r, "{\n  \"id\":-1,\"name\":\"k0\"}", true, "anyOf");
    rig_check(&r, "null", true, "anyOf");
    rig_check(&r, "{\"id\": 12, \"name\": \"k4999\", \"tags\": 4998}", false, "anyOf");
    rig_check(&r, "{\"id\": 12, \"name\": \"k5000\"}", false, "anyOf");
    rig_drop(&r);
    qn_buf_clear(&b);
    CHECK_OK(qn_buf_puts(&b, "{\"anyOf\": ["));          /* none of which must be there */
    for (int i = 0; i < 5000; i++)
        CHECK_OK(qn_buf_printf(&b, "%s{\"properties\": {\"name\": {\"const\": \"k%d\"}, "
                               "\"id\": {\"type\": \"integer\"}, \"age\": {\"type\": \"integer\"}}}", i ? "," : "", i));
    CHECK_OK(qn_buf_puts(&b, "]}"));
    rig_schema(&r, b.s);
    rig_check(&r, "{\"name\": \"k4999\", \"id\": 3, \"age\": 5}", true, "none required");
    rig_check(&r, "{\"name\": \"k4999\" }", true, "none required");
    rig_check(&r, "{ \"id\": 12, \"age\":1}", true, "none required");
    rig_check(&r, "{\"age\":1}", true, "none required");
    rig_check(&r, "{}", true, "none required");
    rig_check(&r, "{\"age\":1,\"id\":1}", false, "none required");
    rig_check(&r, "{\"name\": \"k5000\"}", false, "none required");
    rig_drop(&r);
    qn_buf_drop(&b);
}

TEST(no_memory_is_an_error_and_nothing_leaks) {
    static const char schema[] =
        "{\"properties\": {\"a\": {\"type\": \"integer\", \"minimum\": 3}, \"b\": {\"anyOf\": [{\"format\": \"date\"},"
        "{\"pattern\": \"x+\"}]}, \"c\": {\"items\": {\"$ref\": \"#\"}, \"minItems\": 2}},"
        "\"additionalProperties\": {\"enum\": [1]}}";
    const int64_t live = qn_mem_stats_get(QN_MEM_SESSION).live_bytes;
    for (int64_t n = 0; n < 5000; n++) {
        qn_syntax *g = NULL;
        qn_mem_fail_after(n);
        const int rc = qn_syntax_schema(&g, QN_STR(schema), "s", NULL);
        qn_mem_fail_after(-1);
        CHECK(rc == 0 || rc == QN_ENOMEM, "allocation %lld: %d", (long long)n, rc);
        qn_syntax_free(g);
        CHECK_NO_LEAK(QN_MEM_SESSION, live, "allocation %lld", (long long)n);
        if (rc == 0)
            return;
    }
    CHECK(false, "it never had enough");
}
