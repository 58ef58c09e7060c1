/* world/rules_clauses.c — sentences that any genre can use: agreement at a distance, comparison, negation, reported
 * speech. */
#include "world/grammar.h"

const qn_rule qn_rules_clauses[] = {
    /* The subject and its verb, with other nouns between them. */
    RULE("far", "2*{far.that}", "{far.hands}", "{far.plant}",
         " ^the {adj} {n1:thing} near the {n2:building} {1:matters}.",
         " ^the {n1:folk} behind the {n2:building} {1:feels} {mood} in the {daypart}.",
         " ^the {n1:building} beside the {adj} {n2:building} {1.is} never {changed}.",
         " ^the {n1:folk} who {1:knows} the {n2:folk} {at} {1.is} seldom {mood}.",
         " ^nobody knows why the {n1:thing} under the {n2:building} {1.is} always {state}.",
         " ^the {n1:folk} with the {adj} {n2:thing} {1.does} not wait for the {n3:folk}.",
         " ^the {adj} {n1:building} that the {n2:folk} built {at} {1.has} been {changed} twice."),
    /* Those that are learned last. */
    RULE("far.that", " ^the {n1:thing} that the {n2:folk} {at} {2:carries} {1:matters}."),
    RULE("far.hands", " ^the {n1:thing} in the hands of the {n2:folk} {1:matters}."),
    RULE("far.plant", " ^the {n1:plant} that {1:grows} by the {n2:building} {1.is} taller than the {n3:building}."),
    RULE("farther", "6*{far}", "2*{far.that}", "{far.hands}", "{far.plant}"),
    /* Two subjects, one after the other. */
    RULE("twin",
         " ^the {n1:thing} near the {n2:building} {1.is} {state}, but the {n3:thing} under the {n4:building} {3.is} "
         "not.",
         " ^the {n1:thing} by the {n2:building} {1:matters}, and the {n3:folk} who {3:wants} {1.them} {3.is} {mood}.",
         " ^the {n1:folk} who {1:knows} the {n2:folk} {1.is} {mood}, and the {n3:folk} {at} {3:feels} {mood} too.",
         " ^the {n1:thing} of the {n2:folk} {1:matters}, while the {n3:thing} of the {n4:folk} {3:matters}.",
         " ^neither the {n1:plant} behind the {n2:building} nor the {n3:plant} beside it {3:thrives} without water."),
    RULE("thrives", "thrives/thrive", "grows/grow", "flowers/flower"),
    RULE("grows", "grows/grow", "stands/stand", "flowers/flower"),
    RULE("compare", " ^this {adj} {s1:thing} is [older|heavier|finer|smaller|cheaper] than the one {at}.",
         " ^no {s1:thing} {at} is as {adj} as the one {at}.",
         " ^{place} is [farther|nearer|quieter|older] than {place}, which the {n1:folk} {1.does} not like.",
         " ^of all the {p1:building} {at}, the {adj} one is the [oldest|tallest|smallest|finest].",
         " ^the {p1:folk} {at} are [older|younger|poorer|richer] than the {p2:folk}, but no less {mood}.",
         " ^{a}{adj} {s1:thing} costs more than {a}{adj} {s2:thing}, but it is worth less."),
    RULE("speech", " ^the {n1:folk} said that nobody had ever seen {a}{adj} {s2:thing} {at}.",
         " ^nobody asked the {n1:folk} {at} whether the {n2:thing} {2.was} {state}.",
         " ^the {n1:folk} {1.does} not believe that the {n2:thing} {2.was} ever {state}.",
         " ^it was the {n1:folk} who told us that the {n2:building} {2.was} {changed}.",
         " ^if the {n1:folk} {at} {1.was} {mood}, nobody said so."),
    RULE("nature", " ^{weather}, and the {n1:folk} {at} {1.was} {mood}.",
         " ^{weather}, but the {n1:folk} did not go home.", " ^because {weather}, the {n1:folk} {at} {1.was} late.",
         " ^although {weather}, the {n1:thing} {at} {1.was} {state}.",
         " ^when {weather}, the {n1:folk} {1:closed} the {adj} {n2:building}."),
    RULE("closed", "closed/closed", "left/left", "opened/opened", "cleaned/cleaned"),
    RULE("filler", "10*{farther}", "3*{twin}", "{compare}", "{speech}", "{nature}"),
    RULE_END
};
