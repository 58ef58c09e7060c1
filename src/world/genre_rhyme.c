/* world/genre_rhyme.c — sayings, and rhymes for children: each line holds the one before, or asks for it again. */
#include "world/grammar.h"

const qn_rule qn_rules_rhyme[] = {
    RULE("rhyme", "4*{house}", "2*{song.two}", "2*{song.three}", "3*{whisper}"),

    RULE("saying", "4*{farther}", "{twin}", "{farther}{farther}",
         "^sayings of the {p1:folk}\n\n{farther}\n{farther}\n{farther}"),

    RULE("house",
         "^this is {$1=house.thing}.\n^this is {$2=house.one}.\n^this is {$3=house.two}.\n^this is {$4=house.three}.\n"
         "{house.end}", "^this is {$1=house.thing}.\n^this is {$2=house.one}.\n^this is {$3=house.two}.\n{house.end}",
         "^here is {$1=house.thing}.\n^and here is {$2=house.one}.\n{house.many}\n{house.end}"),
    RULE("house.thing", "the {adj} {s9:thing} {at}", "the {adj} {s9:thing} of {A}"),
    RULE("house.one", "the {s1:folk} who [found|lost|sold|hid|wanted|carried] {$1}",
         "the {mood} {s1:folk} who [found|lost|sold|hid|wanted|carried] {$1}"),
    RULE("house.two", "the {s2:folk} who {2:knows} {$2}", "the {s2:folk} {at} who {2:knows} {$2}"),
    RULE("house.three", "{B}, who [met|thanked|followed|asked|heard] {$3}",
         "the {s3:folk} who [met|thanked|followed|asked|heard] {$3}"),
    RULE("house.many", "^the {n2:folk} who {2:knows} {$2} {2.is} {mood}.",
         "^and the {n2:folk} {at} who {2:knows} {$2} {2.does} not know why."),
    RULE("house.end", "^and where is {$1}? {C} has it.", "^and {C} asks for {$1}.", "^so much for {$1}."),

    RULE("song.two",
         "^song of the {$1=one}\n\n^the {$1}, the {$1} {at}, who has the {$1}?\n{A} has the {$1}, and {B} the "
         "{$2=one}.\n^the {$2}, the {$2} {at}, who has the {$2}?\n{B} has the {$2}, and {A} the {$1}.\n{song.end}"),
    RULE("song.three",
         "^song of the {$1=one}\n\n{A} has the {$1}, {B} the {$2=one}, {C} the {$3=one}.\n^the {$2}, the {$2}, who "
         "has the {$2}?\n{B} has the {$2}, and {C} has the {$3}.\n^the {$1}, the {$1} {at}, who has the {$1}?\n"
         "{A} has the {$1}, but not the {$3}.",
         "^song of the {$1=one}\n\n^who has the {$1}? {A}, {A}.\n^who has the {$2=one}? {B}, {B}.\n"
         "^who has the {$3=one}? {C}, {C}.\n^so give {C.first} the {$1}, and {A.first} the {$2}, and {B.first} the "
         "{$3}!"),
    RULE("song.end", "^and who has neither? {C} has neither the {$1} nor the {$2}.",
         "^and what has {C}? {C} has {a}{$3=one}, but not the {$1}.",
         "^o {A.first}, o {A.first}, give {C.first} the {$1}!", "^o {B.first}, o {B.first}, hide the {$2} {at}!"),

    /* From mouth to ear. */
    RULE("whisper",
         "{A} told {B} that {$1=whisper.words}.\n{B} told {C} that {$1}.\n{C} told {D} that {$2=whisper.words}.\n"
         "^so {A.first} had said that {$1}, and {D.first} heard that {$2}.",
         "{A} says that {$1=whisper.words}.\n{B} says that {$2=whisper.words}.\n{C} does not believe that {$1}, but "
         "{C.he} believes that {$2}.\n{whisper.end}"),
    RULE("whisper.words", "the {adj} {n1:thing} {at} {1.is} {state}",
         "the {n1:folk} who {1:knows} the {n2:folk} {1.is} {mood}",
         "the {n1:building} near {place} {1.was} {changed}"),
    RULE("whisper.end", "^who is right? {A}, if {$1}, and {B}, if {$2}.", "^and so {C} is with {B}, not with {A}."),
    RULE_END
};
