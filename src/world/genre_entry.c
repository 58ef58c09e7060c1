/* world/genre_entry.c — entries of an encyclopedia: of a person, and of towns, trades, animals and feasts. */
#include "world/grammar.h"

const qn_rule qn_rules_entry[] = {
    RULE("entry", "13*{A}\n\n{!tellall}{entry.close}", "2*{A}\n\n{!tell}{entry.remark}{!again}{!tellall}",
         "{A}\n\n{!tellall}{!kin}", "{A}\n\n{!tell}{!kin}{!tellall}"),
    RULE("entry.remark", " ^the {n1:folk} {at} {1:knows2} more of {A.him} than of the {n2:folk}.",
         " ^the {adj} book {at} says little else about {A.him}, but the {n1:folk} there {1.is} not {mood}.",
         "3*{farther}"),
    RULE("entry.close", "8*", " ^{A.he} is not to be mistaken for {B}, whom the {n1:folk} {at} {1:knows} better.",
         " ^see also {B} and {C}.", "{filler}"),
    RULE("almanac", "^from the almanac, page {!n1}\n\n{!property}{!property}{!property}{!property}{almanac.more}"),
    RULE("almanac.more", "{!property}", "{filler}{!property}", "{!property}{!property}{filler}"),
    RULE("knows2", "knows/know", "has heard/have heard", "tells/tell"),
    RULE_END
};
