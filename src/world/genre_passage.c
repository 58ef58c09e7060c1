/* world/genre_passage.c — copying and long-range names: what is asked for was said before, in the same text. */
#include "world/grammar.h"

const qn_rule qn_rules_passage[] = {
    RULE("passage", "{pass.three}{filler}{pass.ask}", "{pass.three}{filler}{filler}{pass.ask}", "{pass.three}{pass.ask}",
         "{pass.three}{filler}{filler}{filler}{pass.ask}", "{roll}", "{echo}"),
    RULE("pass.three", "{A} has {a}{$1=pass.one}. {B} has {a}{$2=pass.two}. {C} has {a}{$3=pass.three.thing}.",
         "{A} went to {$1=pass.place}, {B} to {$2=pass.place2} and {C} to {$3=pass.place3}."),
    RULE("pass.one", "{adj} key", "{adj} lamp", "{adj} hat", "{adj} rope"),
    RULE("pass.two", "{adj} cup", "{adj} book", "{adj} ribbon", "{adj} bucket"),
    RULE("pass.three.thing", "{adj} coat", "{adj} knife", "{adj} letter", "{adj} candle"),
    RULE("pass.place", "the well", "the market", "the tower", "the barn"),
    RULE("pass.place2", "the bridge", "the orchard", "the harbour", "the hill"),
    RULE("pass.place3", "the mill", "the forest", "the square", "the garden"),
    RULE("pass.ask", "\n^who was first? {A}.\n^who was last? {C}.", "\n^what of {B}? {$2}.\n^what of {A}? {$1}.",
         "\n^what of {C}? {$3}.", "\n^who has to do with {$2}? {B}.\n^and with {$3}? {C}."),
    RULE("roll", "^those who came {at}: {A}, {B}, {C}, {D}.\n{filler}\n^once more: {A}, {B}, {C}, {D}."),
    RULE("echo", "{A} said: \"^{echo.text}\"\n{B} repeated: \"^{$1}\""),
    RULE("echo.text", "{$1=echo.words}"),
    RULE("echo.words", "the {adj} {n1:thing} {at} {1.is} {state}", "{count} {p1:thing} and {count} {p2:thing}",
         "no {s1:thing} without {a}{s2:thing}", "{place}, {place} and {place}"),
    RULE_END
};
