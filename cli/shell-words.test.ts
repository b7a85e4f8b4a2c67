import fc from "fast-check";
import { expect, test } from "vitest";
import { splitWords } from "#lambdas/dialects/em/command-line.ts";
import { quoteWord } from "./shell-words.ts";

test("a quoted word is read back as it was by the ground's splitter", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (word) => {
      fc.pre(!word.includes("\0"));
      expect(splitWords(quoteWord(word))).toEqual([word]);
    }),
  );
});
