import { Validations } from "aws-cdk-lib";
import type { IConstruct } from "constructs";

/** Accepts one finding of AwsSolutions on `construct` and its children, with the reason. */
export function acknowledge(construct: IConstruct, finding: string, reason: string): void {
  Validations.of(construct).acknowledge({ id: `AwsSolutions-${finding}`, reason });
}
