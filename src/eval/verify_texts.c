/* eval/verify_texts.c — the texts that `verify` brings: short ones of many sorts, so that many kinds of tokens are met.
 * They are part of the statement: another word changes every figure and the fingerprint. */
#include "eval/verify.h"

const char *const qn_verify_texts[] = {
    "The mill stood where the road bends down to the river, and nobody in the village remembered a time without it. "
    "In spring, when the water was high, one heard the stones as far as the church. The miller's daughter kept the "
    "books: how many sacks had come, whose they were, what was owed. She wrote a small, upright hand and never "
    "crossed anything out. When the bridge was swept away in the third year of the floods, it was her book that told "
    "which farms had sent grain and had not got their flour back, and so everybody was paid, though it took two "
    "harvests.",

    "\"Did you lock the door?\" \"I thought you had it.\" \"No, you said you would.\" They looked at each other. "
    "\"We'll have to go back,\" said Anna. \"It's raining.\" \"It was raining before, too.\" He sighed, turned up "
    "his collar and went ahead, and she followed, laughing so much that she could hardly hold the umbrella. The "
    "door, of course, was locked.",

    "#include <stdio.h>\n\n/* Greatest common divisor, Euclid's way. */\nstatic int gcd(int a, int b) {\n    while "
    "(b != 0) {\n        int rest = a % b;\n        a = b;\n        b = rest;\n    }\n    return a;\n}\n\nint "
    "main(void) {\n    for (int i = 1; i <= 12; i++)\n        printf(\"gcd(%d, 36) = %d\\n\", i, gcd(i, 36));\n    "
    "return 0;\n}\n",

    "Question: A baker sells 48 rolls in the morning and half as many in the afternoon. Each roll costs 35 cents. "
    "How much does he earn that day?\nAnswer: In the afternoon he sells 48 / 2 = 24 rolls, so 48 + 24 = 72 rolls in "
    "all. 72 * 0.35 = 25.20. He earns $25.20 that day.\nQuestion: What is 17 * 6 - 9?\nAnswer: 17 * 6 = 102, and 102 "
    "- 9 = 93.\n",

    "Die Brücke über den Fluss wurde 1887 gebaut und nach dem Hochwasser von 1954 erneuert. Wer sie heute überquert, "
    "sieht links die alte Mühle, rechts die Gärten; dazwischen liegt, von Weiden halb verdeckt, das Haus des "
    "Fährmanns, der längst keine Fähre mehr hat. « Rien ne presse », disait-il toujours aux étrangers, et il leur "
    "offrait une chaise, un café, et parfois l'histoire entière.",

    "{\"name\": \"station-7\", \"active\": true, \"readings\": [{\"t\": \"2021-03-04T05:06:07Z\", \"temp\": -3.5, "
    "\"wind\": 12}, {\"t\": \"2021-03-04T06:06:07Z\", \"temp\": -2.75, \"wind\": null}], \"tags\": [\"north\", "
    "\"test\"]}\n<ul class=\"list\"><li><a href=\"/index.html?id=42&amp;page=1\">Home</a></li></ul>\n",

    "How to make tea:\n\n1. Boil a litre of fresh water.\n2. Warm the pot, then empty it.\n3. Put in one spoon of "
    "leaves for each cup, and one for the pot.\n4. Pour on the water and wait for three to five minutes.\n\nThe "
    "capital of France is Paris. The capital of Italy is Rome. Water boils at 100 degrees Celsius; the Earth goes "
    "around the Sun once a year. The opposite of \"hot\" is \"cold\".\n",

    "Name\tQty\tPrice\nApples\t3\t€1,20\nPears\t10\t€4,75\nTOTAL\t13\t€5,95\n\n∀x ∈ ℝ: x² ≥ 0 — naïve? Yes :-) 日本語の文 "
    "и немного русского, 🙂👍🏽 … `let v = &mut xs[i..];` λ → μ; sin²θ + cos²θ = 1. END_OF_FILE 0xDEADBEEF 3.14159e-10\n",

    NULL
};
