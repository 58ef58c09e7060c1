/* world/rules_clauses.c — sentences that any genre can use: agreement at a distance, comparison, negation, reported
 * speech. */
#include "world/grammar.h"

const qn_rule qn_rules_clauses[] = {
    /* The subject and its verb, with other nouns between them. */
    RULE("far", " ^the {n1:thing} that the {n2:folk} {2:carries} {1:matters}.",
         " ^the {n1:thing} near the {n2:building} {1:matters}.",
         " ^the {n1:folk} behind the {n2:building} {1:feels} {mood}.",
         " ^the {n1:building} beside the {n2:plant} {1:stands} empty.",
         " ^the {n1:thing} in the hands of the {n2:folk} {1:matters}.",
         " ^the {n1:plant} that {1:grows} by the {n2:building} {1.is} taller than before.",
         " ^the {n1:folk} who {1:knows} the {n2:folk} {1.is} seldom {mood}.",
         " ^nobody knows why the {n1:thing} under the {n2:building} {1.is} always {state}.",
         " ^the {n1:folk} with the {adj} {n2:thing} {1.does} not wait for the {n3:folk}."),
    RULE("carries", "carries/carry", "brought/brought", "sells/sell", "wants/want", "hides/hide", "mends/mend",
         "found/found", "likes/like"),
    RULE("feels", "is/are", "looks/look", "seems/seem"),
    RULE("stands", "stands/stand", "is/are"),
    RULE("grows", "grows/grow", "stands/stand"),
    RULE("knows", "knows/know", "visits/visit", "helps/help", "remembers/remember"),
    RULE("compare", " ^this {s1:thing} is [older|heavier|finer|smaller|cheaper] than the one {at}.",
         " ^no {s1:thing} is as {adj} as the one {at}.",
         " ^{place} is [farther|nearer|quieter|older] than {place}, but {opinion}.",
         " ^of all the {p1:building} {at}, the {adj} one is the [oldest|tallest|smallest|finest].",
         " ^the {p1:folk} are [older|younger|poorer|richer] than the {p2:folk}, but no less {mood}."),
    RULE("opinion", "nobody minds", "few people know it", "that is no secret", "it does not matter",
         "that may change", "some doubt it", "all agree on that"),
    RULE("nature", " ^{weather}, and {place} was quiet.", " ^{weather}, but nobody stayed indoors.",
         " ^{weather} {at}.", " ^{time}, {weather}.", " ^because {weather}, the {n1:folk} {1.was} late.",
         " ^although {weather}, the {n1:folk} {at} {1.was} {mood}."),
    RULE("filler", "3*{far}", "{compare}", "{nature}"),
    RULE_END
};
