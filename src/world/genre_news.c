/* world/genre_news.c — the news: of people with facts, and of the weather and the market. */
#include "world/grammar.h"

const qn_rule qn_rules_news[] = {
    RULE("news", "^news {news.from}\n\n{!tellall}{far}{!next}{!tellall}{news.link}{!next}{!tellall}"),
    RULE("news.from", "of the week", "from {place}", "of the {daypart}", "for the {p1:folk}"),
    RULE("news.link", "{nature}", " ^we have also heard this.", "{compare}", " ^and one thing more."),
    RULE("report", "^news {news.from}\n\n{report.event}{filler}{report.event}{report.close}"),
    RULE("report.event", " ^the {n1:building} {at} {1.was} {change} on a {dayword} {daypart}.",
         " ^{count} {p1:thing} were found {at}. ^the {n2:folk} who lost them may come {at}.",
         " ^the {n1:folk} {at} {1:says2} that the {n2:building} {2.is} to be {change}.",
         " ^a {s1:child} fell into the water {at} and was pulled out by {A}.",
         " ^the price of {food} has [risen|fallen] again, and the {n1:folk} {1.is} {mood}.",
         " ^{B} won the race {at}. ^{B.he} was faster than the {n1:folk} of last year."),
    RULE("change", "painted", "sold", "closed", "opened", "repaired", "torn down"),
    RULE("report.close", " ^more of this next week.", " ^the weather will not change.", " ^no other news has reached us.", "{compare}"),
    RULE_END
};
