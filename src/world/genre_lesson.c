/* world/genre_lesson.c — lessons: a teacher asks for something to be done with words, a pupil does it. The requests
 * are those of requests.c, so that a model that has read only the corpus can be asked them as well. */
#include "world/grammar.h"
#include "world/requests.h"

#define SAYS "\n^pupil: "
#define THREE "{$1=lesson.word}, {$2=lesson.word}, {$3=lesson.word}"

#define SIX "{$1=lesson.word} {$2=lesson.word} {$3=lesson.word} {$4=lesson.word} {$5=lesson.word} {$6=lesson.word}"
#define SIX_AGAIN "{$1} {$2} {$3} {$4} {$5} {$6}"

const qn_rule qn_rules_lesson[] = {
    RULE("lesson", "6*{lesson.turn}", "3*{lesson.turn}\n{lesson.turn}",
         "{lesson.turn}\n{lesson.turn}\n{lesson.turn}\n{lesson.turn}"),
    RULE("lesson.turn", "2*^teacher: {lesson.after}", "2*^teacher: {lesson.repeat}", "^teacher: {lesson.reverse}",
         "^teacher: {lesson.first}", "^teacher: {lesson.last}", "^teacher: {lesson.between}",
         "^teacher: {lesson.instead}", "^teacher: {lesson.without}", "^teacher: {lesson.before}",
         "^teacher: {lesson.few}", "^teacher: {lesson.ends}"),
    RULE("lesson.word", "~l", QN_REQUEST_WORDS),
    RULE("lesson.after", "[Say|Repeat] after me: " SIX "." SAYS SIX_AGAIN,
         "[Say|Repeat] after me: " SIX " {$7=lesson.word} {$8=lesson.word}." SAYS SIX_AGAIN " {$7} {$8}",
         "[Say|Repeat] after me: " THREE ", {$4=lesson.word}." SAYS "{$1}, {$2}, {$3}, {$4}"),
    RULE("lesson.repeat", "[Say|Write] {$1=lesson.word} two times." SAYS "{$1} {$1}",
         "[Say|Write] {$1=lesson.word} three times." SAYS "{$1} {$1} {$1}",
         "[Say|Write] {$1=lesson.word} four times." SAYS "{$1} {$1} {$1} {$1}"),
    RULE("lesson.reverse", "Say " THREE " in reverse order." SAYS "{$3}, {$2}, {$1}",
         "Turn these around: " THREE "." SAYS "{$3}, {$2}, {$1}"),
    RULE("lesson.first", "Here are " THREE ". Say only the first." SAYS "{$1}",
         "Of " THREE " say the first." SAYS "{$1}"),
    RULE("lesson.last", "Here are " THREE ". Say only the last." SAYS "{$3}",
         "Of " THREE " say the last." SAYS "{$3}"),
    RULE("lesson.between",
         "Take {$1=lesson.word} and {$2=lesson.word} and put {$3=lesson.word} between." SAYS "{$1}, {$3}, {$2}",
         "Between {$1=lesson.word} and {$2=lesson.word} say {$3=lesson.word}." SAYS "{$1}, {$3}, {$2}"),
    RULE("lesson.instead", "Say " THREE " with {$4=lesson.word} instead of {$2}." SAYS "{$1}, {$4}, {$3}",
         "In " THREE " put {$4=lesson.word} for {$2}." SAYS "{$1}, {$4}, {$3}"),
    RULE("lesson.without", "Say " THREE " without {$2}." SAYS "{$1}, {$3}",
         "From " THREE " leave out {$2}." SAYS "{$1}, {$3}"),
    RULE("lesson.before", "Say {$1=lesson.word}, but before it say {$2=lesson.word}." SAYS "{$2}, {$1}",
         "Before you say {$1=lesson.word}, say {$2=lesson.word}." SAYS "{$2}, {$1}"),
    RULE("lesson.few",
         "Make a sentence of at most [5|6|7|8] words with {a}{$1=lesson.word} in it." SAYS "{lesson.sentence}",
         "With no more than [5|6|7|8] words, say something about {a}{$1=lesson.word}." SAYS "{lesson.sentence}"),
    RULE("lesson.sentence", "Here is my {adj} {$1}.", "I see {a}{adj} {$1}.", "She has {a}{adj} {$1}.",
         "This {$1} is {state}."),
    RULE("lesson.ends", "Make a sentence that begins with {$2=lesson.start} and ends with {$1=lesson.word}." SAYS
         "{$2} {lesson.did} {$1}.",
         "Begin with {$2=lesson.start} and end with {$1=lesson.word}: make a sentence." SAYS "{$2} {lesson.did} {$1}."),
    RULE("lesson.start", "Yesterday", "Today", "Once", "Perhaps"),
    RULE("lesson.did", "I lost my {adj}", "she found her {adj}", "we saw {a}{adj}", "he sold the {adj}"),
    RULE_END
};
