import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files that take a minute or so though they are short: begun last, one of them would go on alone. */
const SLOW = [
  "test/api-description/schemathesis",
  "test/bounds/uplink",
  "test/bounds/listing",
  "test/faults/agent-deaths-jobs",
  "test/faults/agent-deaths-runners",
  "test/faults/agent-deaths-images",
  "test/faults/agent-deaths-files",
  "test/faults/agent-deaths-pods",
  "test/faults/ground-deaths",
  "test/faults/ledger-histories",
  "test/faults/jobs-without-contact",
  "test/faults/hostile-marks",
  "test/chain/lanes-together",
  "agent/files/remove-tree",
  "agent/images/build/build-image",
  "agent/images/docker/neighbours",
  "agent/images/dockerfile/differential",
  "agent/pods/docker/runtime",
  "agent/jobs/hostile-outbox",
  "agent/pods/pod-manager-logs",
  "scripts/start",
  "cli/bundle",
  "cli/verbs/poseidon",
];
/** It waits for pods that were begun with the deployment and run for a minute. */
const LAST = ["test/contract/pod-end"];

/** The usual order of test files (what took longest comes first), but for those that it cannot know on a new clone. */
export class FileOrder extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isOf = (names: string[], { moduleId }: TestSpecification) =>
      names.some((name) => moduleId.endsWith(`/${name}.test.ts`));
    const rank = (file: TestSpecification) => (isOf(LAST, file) ? 1 : isOf(SLOW, file) ? -1 : 0);
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}
