import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The usual order of test files, but what waits for the long runs of the contract suite comes last. */
export class LongRunsLast extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const waits = (file: TestSpecification) => Number(file.moduleId.endsWith("/contract/pod-end.test.ts"));
    return sorted.toSorted((a, b) => waits(a) - waits(b));
  }
}
