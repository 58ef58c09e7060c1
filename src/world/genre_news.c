/* world/genre_news.c — the news: of people with facts, and of the weather and the market. */
#include "world/grammar.h"

const qn_rule qn_rules_news[] = {
    RULE("news", "^news {news.from}\n\n{!tellall}{far}{!next}{!tellall}{news.link}{!next}{!tellall}"),
    RULE("news.from", "of the week", "from {place}", "of the {daypart}", "for the {p1:folk}"),
    RULE("news.link", "{nature}", "{compare}", "{report.things}"),
    RULE("report", "^news {news.from}\n\n{report.things}{report.people}{filler}{report.close}"),
    RULE("report.things", " ^the {adj} {n1:building} near {place} {1.was} {changed} on a {dayword} {daypart}.",
         " ^{count} {adj} {p1:thing} were found {at}. ^the {n2:folk} who lost them may ask {at}.",
         " ^the {n1:folk} {at} {1:says2} that the {n2:building} {2.is} to be {changed}.",
         " ^nobody was hurt when the {adj} {s1:building} near {place} burned down."),
    RULE("report.people", " ^{a}{s1:child} fell into the water {at} and was pulled out by {A}.",
         " ^the price of {food} has [risen|fallen] again, and the {n1:folk} {at} {1.is} {mood}.",
         " ^{B} won the race to {place}, and {B.he} was faster than the {n1:folk}.",
         " ^{A} has opened {a}{adj} {s1:shop} {at}, where {food} is cheaper than {at}."),
    RULE("shop", "inn/inns", "shop/shops", "stall/stalls"),
    RULE("report.close", "", "{compare}", " ^more about the {n1:folk} {at} next week.", "{speech}"),
    RULE_END
};
