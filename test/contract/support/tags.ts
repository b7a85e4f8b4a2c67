/**
 * Tags of contract tests, for `--tagsFilter`: what a deployment can be asked is said here and nowhere skipped.
 * A function URL is run with `!server`, and what that leaves out is run against `perigee server` on the same
 * deployment (scripts/test-cloud.ts).
 */
export const CONTRACT_TAGS = [
  {
    name: "server",
    description:
      "needs HTTP whole: bodies over Lambda's 6 MB, answers before the body's end, streams as they come. Behind a function URL AWS (or its stand-in) answers first, or waits for the end",
  },
];
