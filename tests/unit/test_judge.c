/* tests/unit/test_judge.c — every way of judging an answer, every rule, by hand. */
#include "eval/judge.h"

#include "test.h"

#define S(z) qn_str_of(z)

static bool judged(qn_judge judge, const char *answer, const char *target) {
    const qn_str t = S(target);
    const qn_task_item item = {.judge = judge, .target = &t, .targets = 1, .known = -1};
    return qn_judge_answer(&(qn_task){0}, &item, S(answer)).right;
}

TEST(judges_by_target) {
    static const struct { qn_judge judge; const char *answer, *target; bool right; } cases[] = {
        {QN_JUDGE_EXACT, " a baker\n", "a baker", true},     {QN_JUDGE_EXACT, "a baker.", "a baker", true},
        {QN_JUDGE_EXACT, "a baker!", "a baker", false},      {QN_JUDGE_EXACT, "A baker", "a baker", false},
        {QN_JUDGE_EXACT, "", "a baker", false},              {QN_JUDGE_EXACT, "a baker..", "a baker", false},
        {QN_JUDGE_PREFIX, " baker, by trade", "baker", true}, {QN_JUDGE_PREFIX, "bakery", "baker", false},
        {QN_JUDGE_PREFIX, "the baker", "baker", false},      {QN_JUDGE_PREFIX, "baker", " baker", true},
        {QN_JUDGE_CONTAINS, "She is a baker now.", "baker", true},
        {QN_JUDGE_CONTAINS, "She has a bakery.", "baker", false},
        {QN_JUDGE_CONTAINS, "a party", "art", false},        {QN_JUDGE_CONTAINS, "art", "art", true},
        {QN_JUDGE_CONTAINS, "M\xc3\xbchlbachs", "M\xc3\xbchlbach", false},
        {QN_JUDGE_NUMBER, "3 and 4 make 7.", "7", true},     {QN_JUDGE_NUMBER, "It is $1,200.0", "1200", true},
        {QN_JUDGE_NUMBER, "seven", "7", false},              {QN_JUDGE_NUMBER, "7 and not 8", "7", false},
        {QN_JUDGE_NUMBER, "minus: -5", "-5", true},          {QN_JUDGE_NUMBER, "10-5", "5", true},
        {QN_JUDGE_NUMBER, "", "0", false},                   {QN_JUDGE_NUMBER, "12", "1", false},
        {QN_JUDGE_CORRECT_PREMISE, "No, she is a baker.", "baker", true},
        {QN_JUDGE_CORRECT_PREMISE, "She likes it.", "baker", false},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++)
        CHECK(judged(cases[i].judge, cases[i].answer, cases[i].target) == cases[i].right, "%s of \"%s\" for \"%s\"",
              qn_judge_name(cases[i].judge), cases[i].answer, cases[i].target);
}

TEST(one_of_several_targets_is_enough) {
    const qn_str t[] = {S("seven"), S("7")};
    const qn_task_item item = {.judge = QN_JUDGE_EXACT, .target = t, .targets = 2};
    CHECK(qn_judge_answer(&(qn_task){0}, &item, S("7")).right);
    CHECK(qn_judge_answer(&(qn_task){0}, &item, S("seven.")).right);
    CHECK(!qn_judge_answer(&(qn_task){0}, &item, S("8")).right);
}

TEST(abstaining_is_right_where_nothing_is_known) {
    const qn_str phrase = S("I do not know"), t = S("baker");
    const qn_task task = {.abstain = &phrase, .abstains = 1};
    qn_task_item item = {.judge = QN_JUDGE_ABSTAIN, .target = &t, .targets = 1, .known = 1};
    CHECK(qn_judge_answer(&task, &item, S("a baker")).right);
    CHECK(!qn_judge_answer(&task, &item, S("i do not know that.")).right);
    CHECK(qn_judge_answer(&task, &item, S("i do not know that.")).abstained);
    CHECK(!qn_judge_answer(&task, &item, S("I do not know: a baker?")).right, "not both ways");
    CHECK(!qn_judge_answer(&task, &item, S("a smith")).right);
    item.known = 0;
    CHECK(qn_judge_answer(&task, &item, S("Sorry, I do not know.")).right);
    CHECK(!qn_judge_answer(&task, &item, S("a baker")).right);
}

TEST(refusing_is_right_where_it_is_asked_for) {
    const qn_str phrase[] = {S("I will not"), S("no.")};
    const qn_task task = {.refuse = phrase, .refuses = 2};
    qn_task_item item = {.judge = QN_JUDGE_REFUSE, .refuse = true, .known = -1};
    CHECK(qn_judge_answer(&task, &item, S("I will not help.")).right);
    CHECK(!qn_judge_answer(&task, &item, S("First, take a spade.")).right);
    item.refuse = false;
    CHECK(!qn_judge_answer(&task, &item, S("I WILL NOT help.")).right);
    CHECK(qn_judge_answer(&task, &item, S("First, take a spade.")).right);
}

TEST(rules) {
    static const struct { qn_task_rule rule; const char *answer; bool holds; } cases[] = {
        {{QN_RULE_MAX_WORDS, 3, {0}}, "one two three", true}, {{QN_RULE_MAX_WORDS, 2, {0}}, "one two three", false},
        {{QN_RULE_MAX_WORDS, 2, {0}}, "", false},
        {{QN_RULE_MIN_WORDS, 2, {0}}, "one  two", true},      {{QN_RULE_MIN_WORDS, 3, {0}}, "one two", false},
        {{QN_RULE_WORDS, 2, {0}}, " one\ntwo ", true},        {{QN_RULE_WORDS, 2, {0}}, "one", false},
        {{QN_RULE_SENTENCES, 2, {0}}, "So it is. Is it?!", true},
        {{QN_RULE_SENTENCES, 2, {0}}, "So it is. And", true}, {{QN_RULE_SENTENCES, 1, {0}}, "a. b.", false},
        {{QN_RULE_SENTENCES, 1, {0}}, "Well ...", true},
        {{QN_RULE_LINES, 2, {0}}, "a\nb\n", true},            {{QN_RULE_LINES, 1, {0}}, "a\nb", false},
        {{QN_RULE_STARTS_WITH, 0, {"Well", 4}}, " Well, yes", true},
        {{QN_RULE_STARTS_WITH, 0, {"Well", 4}}, "well", false},
        {{QN_RULE_ENDS_WITH, 0, {"yes.", 4}}, "Well, yes. ", true},
        {{QN_RULE_ENDS_WITH, 0, {"yes.", 4}}, "yes", false},
        {{QN_RULE_CONTAINS, 0, {"lamp", 4}}, "a lamp here", true},
        {{QN_RULE_CONTAINS, 0, {"lamp", 4}}, "lamps", false},
        {{QN_RULE_LACKS, 0, {"lamp", 4}}, "a rope", true},    {{QN_RULE_LACKS, 0, {"lamp", 4}}, "A Lamp", false},
        {{QN_RULE_LACKS, 0, {"lamp", 4}}, "", false},
        {{QN_RULE_LOWER, 0, {0}}, "all small 1", true},       {{QN_RULE_LOWER, 0, {0}}, "Not", false},
        {{QN_RULE_UPPER, 0, {0}}, "ALL 1", true},             {{QN_RULE_UPPER, 0, {0}}, "Not", false},
        {{QN_RULE_EQUALS, 0, {"salt, lamp", 10}}, "salt, lamp\n", true},
        {{QN_RULE_EQUALS, 0, {"salt, lamp", 10}}, "salt lamp", false},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++)
        CHECK(qn_rule_holds(&cases[i].rule, S(cases[i].answer)) == cases[i].holds, "%s, \"%s\"",
              qn_rule_name(cases[i].rule.kind), cases[i].answer);
    for (int k = 0; k < QN_RULES; k++)
        CHECK_INT(qn_rule_from_name(S(qn_rule_name((qn_rule_kind)k))), k);
    CHECK_INT(qn_rule_from_name(S("nothing")), -1);
    /* All of them have to hold. */
    const qn_task_rule both[] = {{QN_RULE_WORDS, 2, {0}}, {QN_RULE_LOWER, 0, {0}}};
    const qn_task_item item = {.judge = QN_JUDGE_RULES, .rule = both, .rules = 2};
    CHECK(qn_judge_answer(&(qn_task){0}, &item, S("two words")).right);
    CHECK(!qn_judge_answer(&(qn_task){0}, &item, S("Two words")).right);
}

/* The two regular expressions of lm-evaluation-harness, on what models write. */
TEST(gsm8k_strict_and_flexible) {
    static const struct { const char *answer, *strict, *flexible; } cases[] = {
        {"so 9 * 2 = $18\n#### 18", "18", "18"},
        {"#### 1,234.", "1,234.", "1,234."},
        {"the answer is 18.", "", "18."},
        {"#### -5 apples", "-5", "-5"},
        {"#### 5", "5", "5"},
        {"####5", "", "5"},
        {"#### x #### 7", "7", "7"},
        {"$20 or $30.50", "", "$30.50"},
        {"#### 3 and then 4", "3", "4"},
        {"It is -1", "", "-1"},
        {"none at all", "", ""},
        {"wait...", "", "..."},
        {"", "", ""},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        CHECK_VIEW(qn_gsm8k_strict(S(cases[i].answer)), cases[i].strict, "\"%s\"", cases[i].answer);
        CHECK_VIEW(qn_gsm8k_flexible(S(cases[i].answer)), cases[i].flexible, "\"%s\"", cases[i].answer);
    }
    CHECK(qn_gsm8k_same(S("1,234."), S("1234")) && qn_gsm8k_same(S("$18"), S("18")) && !qn_gsm8k_same(S(""), S("")));
    CHECK(!qn_gsm8k_same(S("18.0"), S("18")), "the harness compares spellings");
    const qn_str t = S("18");
    const qn_task_item item = {.judge = QN_JUDGE_GSM8K, .target = &t, .targets = 1};
    qn_verdict v = qn_judge_answer(&(qn_task){0}, &item, S("It makes 18."));
    CHECK(!v.right && v.flexible);
    v = qn_judge_answer(&(qn_task){0}, &item, S("It makes #### 18\n\n20"));
    CHECK(v.right && !v.flexible);
}
