/* world/genre_story.c — stories about somebody with facts: introduced, something happens, it ends where it began. What
 * is lost is what is sought and found; what a plot needs again is kept ({$1=…}). */
#include "world/grammar.h"

const qn_rule qn_rules_story[] = {
    RULE("story", "{gone.open}{!same}{!tell}{gone.turn}{!again}{!tell}{gone.more}{!again}{!tellall}{gone.end}",
         "2*{gone.open}{!same}{!tell}{gone.turn}{!again}{!tellall}{gone.end}",
         "{came.open}{!same}{!tell}{came.turn}{!again}{!tell}{came.more}{!again}{!tellall}{came.end}",
         "2*{came.open}{!same}{!tell}{came.turn}{!again}{!tellall}{came.end}",
         "{gift.open}{!again}{!tell}{gift.turn}{!again}{!tellall}{gift.end}"),

    RULE("gone.open", "^this is the story of {A} and the {$1=lost}.", "^{when}, {A} missed {A.his} {$1=lost}.",
         "^long ago, when {weather}, {A} lost {A.his} {$1=lost}.", "^{A} had lost {A.his} {$1=lost} {at}.",
         "^once there was {a}{mood} {A.man} called {A}, who had lost {A.his} {$1=lost}."),
    RULE("gone.turn", " ^\"^have you seen my {$1}?\" {A.he} asked the {n1:folk} {at}.",
         " ^{A.he} looked for the {$1} {at} and {at}, but the {n1:folk} there only laughed.",
         " ^\"^without the {$1} I cannot sleep,\" {A.he} told the {n1:folk} {at}.",
         " ^the {n1:folk} {at} had not seen the {$1}, and so {A.he} went on to {place}."),
    RULE("gone.more", " ^the {n1:folk} who {1:knows} {place} told {A.him} that the {$1} {$1.was} {at}.",
         " ^\"^look {at},\" said {a}{s1:child}, \"and you will find the {$1}.\"",
         " ^for {count} days nobody saw the {$1}, and the {n1:folk} {1.was} {mood} about it.", "2*{farther}"),
    RULE("gone.end", " ^so the {$1} came home, and {A.he} was [happy|merry|cheerful] again.",
         " ^in the end {A.he} found the {$1} {at}, where the {n2:folk} had put {$1.them}.",
         " ^that {daypart} the {n2:folk} brought the {$1} back and wanted only {food} for it.",
         " ^and who had the {$1}? ^the {n2:folk} {at} had kept {$1.them} for {A.him} all the time."),

    RULE("came.open", "^{when}, {A} came to {$1=place}.", "^when {weather}, {A} went to {$1=place}.",
         "^the {n1:folk} {at} still {1:tells} how {A} came to {$1=place}.",
         "^you will have heard how {A} set out for {$1=place}."),
    RULE("tells", "tells/tell", "remembers/remember", "knows/know", "likes to hear/like to hear"),
    RULE("came.turn", " ^nobody was near {$1} but {a}{mood} {$2=came.who}.",
         " ^on the way to {$1} {A.he} met {a}{mood} {$2=came.who}.",
         " ^{A.he} asked {a}{$2=came.who} {at} for the way to {$1}, and was told that {weather} there."),
    RULE("came.who", "merchant", "singer", "pilgrim", "widow", "soldier", "farmer", "traveller", "clerk"),
    RULE("came.more", " ^the {$2} asked {A.him} for some {food}, for {weather} and {place} was far.",
         " ^\"^why are you so {mood}?\" the {$2} wanted to know.",
         " ^the {$2}, whom the {n3:folk} {at} {3:likes3} well, said that {weather}.", "2*{farther}"),
    RULE("likes3", "knows/know", "remembers/remember", "trusts/trust"),
    RULE("came.end", " ^so {A.he} left {$1}, {mood} as {A.he} was, and the {$2} waved for a long time.",
         " ^near {$1} the {$2} gave {A.him} {a}{adj} {s3:thing}, and they parted as friends.",
         " ^since that {daypart}, {A.he} has gone to {$1} with the {$2} every {daypart}.",
         " ^\"^until we meet again near {$1},\" said the {$2}, who was {mood} by then."),

    RULE("gift.open", "^{when}, the {n1:folk} {at} wanted to give {a}{$1=one} to {A}.",
         "^{a}{$1=one} stood {at}, and it was for {A}.", "^who sent {A} {a}{$1=one}? ^nobody {at} knew."),
    RULE("gift.turn", " ^\"^what a fine {$1}!\" {A.he} said to the {n2:folk}.",
         " ^{A.he} carried the {$1} to {place} and showed it to the {n2:folk} there.",
         " ^the {n2:folk} {at} had never seen {a}{$1} before."),
    RULE("gift.end", " ^the {$1} is still {at}.", " ^from that {daypart} on the {$1} went wherever {A.he} went.",
         " ^but the {$1} was from the {n3:folk} {at}, as everybody knows today.",
         " ^so {A.he} kept the {$1}, and the {n3:folk} got {food} for it."),
    RULE_END
};
